//! `PgBouncer` gives each transaction another session: what is bought stays as right and as fast, and
//! a start with the wrong settings says so.

use std::process::Command;

use futures_util::future::join_all;

use crate::support::{
    Database, Market, Redis, Server, Shopper, World, assert_consistent,
    market::cart_of,
    pgbouncer::{PgBouncer, Pool},
    server::{refusal_to_start, splitcart},
};

const FEW_SESSIONS: Pool = Pool {
    sessions_max: 4,
    statements_max: 1000,
};

/// A trigger that records the settings under which a checkout's transaction runs.
const WATCH: &str = "
    create table seen (name text primary key, setting text);
    create function watch() returns trigger language plpgsql as $$
    begin
        insert into seen
        select name, setting from pg_settings
        where name in (
            'enable_seqscan', 'enable_hashjoin', 'enable_mergejoin', 'plan_cache_mode', 'jit',
            'statement_timeout', 'lock_timeout', 'idle_in_transaction_session_timeout',
            'client_connection_check_interval',
            'synchronous_commit', 'transaction_isolation', 'transaction_read_only'
        )
        on conflict do nothing;
        return new;
    end $$;
    create trigger watch after insert on checkout_groups for each row execute function watch()";

async fn world_behind(pool: Pool) -> (World, PgBouncer) {
    let database = Database::create().await;
    let redis = Redis::start().await;
    let pooler = PgBouncer::before(&database.url, pool).await;
    let server = Server::start(&pooler.url(), &redis.url, &pooler.settings()).await;
    let market = Market::new(database);
    let world = World {
        server,
        redis,
        market,
    };
    (world, pooler)
}

#[tokio::test]
async fn a_checkout_s_transaction_has_every_setting_and_leaves_none_behind() {
    let (world, pooler) = world_behind(FEW_SESSIONS).await;
    let database = &world.market.database;
    let product = world.market.sold_product(500, 1000).await;
    let cart = cart_of(&[(product, 2)]);
    let shoppers =
        join_all((0..40).map(|_| Shopper::with_cart(&world.market, &world.server, &cart))).await;
    let name = pooler.database_name();
    database
        .run(&format!(
            "{WATCH};
             alter database {name} set synchronous_commit = off;
             alter database {name} set default_transaction_isolation = 'repeatable read';
             alter database {name} set default_transaction_read_only = on"
        ))
        .await;
    let cut = "select count(*) filter (where pg_terminate_backend(pid)) from pg_stat_activity
               where datname = current_database() and application_name like 'splitcart %'";
    assert!(database.count(cut).await > 0);
    for reply in join_all(shoppers.iter().map(Shopper::insist)).await {
        assert_eq!(reply.status, 201, "{}", reply.text());
    }

    let seen: Vec<(String, String)> = sqlx::query_as("select name, setting from seen order by 1")
        .fetch_all(&database.pool)
        .await
        .unwrap();
    let expected = [
        ("client_connection_check_interval", "250"),
        ("enable_hashjoin", "off"),
        ("enable_mergejoin", "off"),
        ("enable_seqscan", "off"),
        ("idle_in_transaction_session_timeout", "1500"),
        ("jit", "off"),
        ("lock_timeout", "100"),
        ("plan_cache_mode", "force_generic_plan"),
        ("statement_timeout", "1500"),
        ("synchronous_commit", "on"),
        ("transaction_isolation", "read committed"),
        ("transaction_read_only", "off"),
    ];
    let expected = expected.map(|(name, setting)| (name.to_owned(), setting.to_owned()));
    assert_eq!(seen, expected);
    // The server has more connections than that.
    let sessions = "select count(*) from pg_stat_activity
        where datname = current_database() and pid <> pg_backend_pid()
            and application_name like 'splitcart%'";
    assert!(database.count(sessions).await <= FEW_SESSIONS.sessions_max.into());
    for _ in 0..2 * FEW_SESSIONS.sessions_max {
        assert_eq!(pooler.ask("show enable_seqscan").await, "on");
        assert_eq!(pooler.ask("show statement_timeout").await, "0");
    }
    assert_consistent(database).await;
}

#[tokio::test]
async fn a_crowd_buys_through_a_pooler_that_keeps_no_statements() {
    let no_statements = Pool {
        statements_max: 0,
        ..FEW_SESSIONS
    };
    let (world, pooler) = world_behind(no_statements).await;
    assert!(!pooler.keeps_statements());
    let product = world.market.sold_product(500, 30).await;
    let cart = cart_of(&[(product, 1)]);
    let shoppers =
        join_all((0..40).map(|_| Shopper::with_cart(&world.market, &world.server, &cart)));
    let replies = join_all(shoppers.await.iter().map(Shopper::insist)).await;
    let bought = replies.iter().filter(|reply| reply.status == 201).count();
    assert!(bought >= 30, "{bought}");
    assert_consistent(&world.market.database).await;
}

async fn refusal(pooler: &PgBouncer, settings: &[(&str, &str)]) -> String {
    let url = pooler.url();
    let settings: Vec<_> = settings
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    let told = tokio::task::spawn_blocking(move || {
        let mut all = vec![("SPLITCART_DATABASE_URL", url.as_str())];
        all.extend(
            settings
                .iter()
                .map(|(name, value)| (name.as_str(), value.as_str())),
        );
        refusal_to_start(&all)
    });
    told.await.unwrap()
}

#[tokio::test]
async fn a_start_without_the_setting_says_so() {
    let database = Database::create().await;
    let pooler = PgBouncer::before(&database.url, FEW_SESSIONS).await;
    let told = refusal(&pooler, &[]).await;
    assert!(told.contains("SPLITCART_DATABASE_POOL_MODE"), "{told}");
}

#[tokio::test]
async fn a_start_that_misjudges_what_the_pooler_keeps_says_so() {
    let database = Database::create().await;
    let mode = ("SPLITCART_DATABASE_POOL_MODE", "transaction");
    let no_statements = Pool {
        statements_max: 0,
        ..FEW_SESSIONS
    };
    let pooler = PgBouncer::before(&database.url, no_statements).await;
    let told = refusal(&pooler, &[mode]).await;
    assert!(told.contains("max_prepared_statements"), "{told}");

    let pooler = PgBouncer::before(&database.url, FEW_SESSIONS).await;
    if pooler.keeps_statements() {
        let off = ("SPLITCART_DATABASE_PREPARED_STATEMENTS", "false");
        let told = refusal(&pooler, &[mode, off]).await;
        assert!(told.contains("set it to true"), "{told}");
    }
}

/// Locks of a session would stay behind in a session that others get.
#[tokio::test]
async fn migrations_pass_through_and_leave_no_lock_behind() {
    let database = Database::create_bare().await;
    let pooler = PgBouncer::before(&database.url, FEW_SESSIONS).await;
    let migrate = || {
        let mut command = splitcart("migrate");
        command
            .env("SPLITCART_DATABASE_URL", pooler.url())
            .envs(pooler.settings());
        tokio::task::spawn_blocking(move || output_of(command))
    };
    for told in join_all([migrate(), migrate()]).await {
        let (succeeded, told) = told.unwrap();
        assert!(succeeded, "{told}");
    }
    let (succeeded, told) = migrate().await.unwrap();
    assert!(succeeded, "{told}");
    let mut connection = database.pool.acquire().await.unwrap();
    let missing = splitcart::db::migrations::missing_migrations(&mut connection).await;
    assert_eq!(missing.unwrap(), 0);
    let locks = "select count(*) from pg_locks l join pg_database d on d.oid = l.database
                 where d.datname = current_database() and l.pid <> pg_backend_pid()";
    assert_eq!(database.count(locks).await, 0);
}

fn output_of(mut command: Command) -> (bool, String) {
    let output = command.output().unwrap();
    let told = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8(told).unwrap())
}
