//! Published events are removed after their retention: the audit asks for those of young groups only.

use std::time::Duration;

use audit::audit;
use splitcart::db::audit::Options;

use crate::support::{
    Server, Shopper, World, audit::PATIENT, crowd::check_out_together, market::cart_of, wait,
};

const WEEK: Options = Options {
    events_kept: Some(Duration::from_hours(7 * 24)),
    ..PATIENT
};

async fn findings(world: &World, options: Options) -> Vec<&'static str> {
    let mut connection = world.market.database.pool.acquire().await.unwrap();
    let report = audit(&mut connection, options, &|_| {}).await.unwrap();
    report.findings().map(|found| found.rule.code).collect()
}

async fn world_with_two_groups() -> World {
    let world = World::start().await;
    let product = world.market.sold_product(500, 1000).await;
    let carts = vec![cart_of(&[(product, 1)]); 2];
    let shoppers = Shopper::with_carts(&world.market, &world.server, &carts).await;
    let replies = check_out_together(&shoppers).await;
    assert!(replies.iter().all(|reply| reply.status == 201));
    let unmarked = "select count(*) from outbox_events where published_at is null";
    wait::until("every event is marked", async || {
        world.market.database.count(unmarked).await == 0
    })
    .await;
    world
}

#[tokio::test]
async fn an_old_group_without_its_event_is_sound_and_a_young_one_is_not() {
    let world = world_with_two_groups().await;
    world
        .market
        .database
        .run(
            "update checkout_groups set created_at = now() - interval '8 days'
             where id = (select id from checkout_groups order by id limit 1);
             update outbox_events set published_at = now() - interval '8 days'
             where aggregate_id = (select id from checkout_groups order by id limit 1);
             delete from outbox_events where published_at < now() - interval '7 days'",
        )
        .await;
    let left = "select count(*) from outbox_events";
    assert_eq!(world.market.database.count(left).await, 1);

    assert!(findings(&world, WEEK).await.is_empty());
    let for_ever = findings(&world, PATIENT).await;
    assert_eq!(for_ever, ["event_per_group"]);

    world.market.database.run("delete from outbox_events").await;
    assert_eq!(findings(&world, WEEK).await, ["event_per_group"]);
}

#[tokio::test]
async fn the_sweeper_removes_what_was_published_before_the_retention() {
    let mut world = world_with_two_groups().await;
    let old = "select count(*) from outbox_events where published_at < now() - interval '1 s'";
    wait::until("both are old enough", async || {
        world.market.database.count(old).await == 2
    })
    .await;

    let (database_url, redis_url) = (&world.market.database.url, &world.redis.url);
    let retention = [("SPLITCART_OUTBOX_RETENTION", "1s")];
    world.server = Server::start(database_url, redis_url, &retention).await;

    let left = "select count(*) from outbox_events";
    wait::until("both are removed", async || {
        world.market.database.count(left).await == 0
    })
    .await;
    wait::until("they are counted", async || {
        world.server.metric("splitcart_outbox_removed").await == 2.0
    })
    .await;
    assert_eq!(world.redis.events().await.len(), 2);
    let kept_for_a_second = Options {
        events_kept: Some(Duration::from_secs(1)),
        ..PATIENT
    };
    assert!(findings(&world, kept_for_a_second).await.is_empty());
}
