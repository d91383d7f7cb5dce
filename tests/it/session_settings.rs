//! The promises do not depend on the defaults of a role or a database.

use crate::support::{Shopper, World, assert_consistent, market::cart_of};

/// A trigger that records the settings under which a checkout's transaction runs.
const WATCH: &str = "
    create table seen (setting text primary key, value text);
    create function watch() returns trigger language plpgsql as $$
    begin
        insert into seen
        select name, setting from pg_settings
        where name in ('synchronous_commit', 'transaction_isolation', 'transaction_read_only')
        on conflict do nothing;
        return new;
    end $$;
    create trigger watch after insert on checkout_groups for each row execute function watch()";

async fn seen(world: &World) -> Vec<(String, String)> {
    sqlx::query_as("select setting, value from seen order by 1")
        .fetch_all(&world.market.database.pool)
        .await
        .unwrap()
}

async fn world_with_defaults(synchronous_commit: &str) -> (World, Shopper) {
    let world = World::start().await;
    let product = world.market.sold_product(500, 10).await;
    let cart = cart_of(&[(product, 2)]);
    let shopper = Shopper::with_cart(&world.market, &world.server, &cart).await;
    let database = &world.market.database;
    database.run(WATCH).await;
    let name: String = sqlx::query_scalar("select current_database()::text")
        .fetch_one(&database.pool)
        .await
        .unwrap();
    for (setting, value) in [
        ("synchronous_commit", synchronous_commit),
        ("default_transaction_isolation", "repeatable read"),
        ("default_transaction_read_only", "on"),
    ] {
        database
            .run(&format!("alter database {name} set {setting} to '{value}'"))
            .await;
    }
    // New connections begin with the new defaults.
    let cut = "select count(*) filter (where pg_terminate_backend(pid)) from pg_stat_activity
               where datname = current_database() and application_name like 'splitcart %'";
    assert!(database.count(cut).await > 0);
    (world, shopper)
}

fn pairs(synchronous_commit: &str) -> Vec<(String, String)> {
    [
        ("synchronous_commit", synchronous_commit),
        ("transaction_isolation", "read committed"),
        ("transaction_read_only", "off"),
    ]
    .map(|(setting, value)| (setting.to_owned(), value.to_owned()))
    .to_vec()
}

#[tokio::test]
async fn a_checkout_is_durable_and_reads_what_is_committed_whatever_the_defaults_say() {
    let (world, shopper) = world_with_defaults("off").await;
    let reply = shopper.insist().await;
    assert_eq!(reply.status, 201, "{}", reply.text());
    assert_eq!(seen(&world).await, pairs("on"));
    assert_consistent(&world.market.database).await;
}

#[tokio::test]
async fn a_stronger_durability_is_left_as_it_is() {
    let (world, shopper) = world_with_defaults("remote_apply").await;
    assert_eq!(shopper.insist().await.status, 201);
    assert_eq!(seen(&world).await, pairs("remote_apply"));
}
