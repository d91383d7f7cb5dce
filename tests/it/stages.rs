//! The stages of a checkout: they add up to its time, and a wait shows in the stage in which it was.

use splitcart::stages::Stage;

use crate::support::{World, client::fresh_key, market::cart_of, wait};

const SUCCEEDED: &str = "splitcart_checkout_duration_seconds_sum{answer=\"succeeded\"} ";

async fn time_of(world: &World, stage: Stage) -> f64 {
    let stage = stage.name();
    let start = format!("splitcart_checkout_stage_seconds_sum{{stage=\"{stage}\"}} ");
    world.server.metric(&start).await
}

#[tokio::test]
async fn the_stages_of_checkouts_add_up_to_their_time() {
    let world = World::start().await;
    let client = world.client(&world.market.buyer().await);
    let product = world.market.sold_product(500, 90).await;
    for _ in 0..3 {
        let cart_id = client.freeze(&cart_of(&[(product, 2)])).await;
        let reply = client.check_out(&fresh_key(), cart_id).await;
        assert_eq!(reply.status, 201, "{}", reply.text());
    }

    let total = world.server.metric(SUCCEEDED).await;
    let mut sum = 0.0;
    for stage in Stage::ALL {
        let time = time_of(&world, stage).await;
        let may_be_none = [Stage::Queue, Stage::Retries].contains(&stage);
        assert!(time > 0.0 || may_be_none, "{stage:?} took no time");
        sum += time;
    }

    assert!((sum / total - 1.0).abs() < 0.001, "{sum} of {total}");
    assert_eq!(time_of(&world, Stage::Retries).await, 0.0);
    let each = "splitcart_checkout_stage_seconds_count{stage=\"commit\"} ";
    assert_eq!(world.server.metric(each).await, 3.0);
    let closed = world.server.metric("splitcart_batches_closed_total").await;
    assert_eq!(
        closed,
        world.server.metric("splitcart_batch_size_count ").await
    );
}

/// A checkout that waits, aside, for a row which another session holds loses that time before its last
/// attempt, not in it.
#[tokio::test]
async fn the_wait_for_a_held_row_is_time_before_the_last_attempt() {
    let world = World::start().await;
    let client = world.client(&world.market.buyer().await);
    let product = world.market.sold_product(500, 90).await;
    let cart_id = client.freeze(&cart_of(&[(product, 2)])).await;
    let mut lock = world.market.database.pool.begin().await.unwrap();
    sqlx::query("select from inventory_items for update")
        .execute(&mut *lock)
        .await
        .unwrap();
    let checkout = tokio::spawn({
        let client = client.clone();
        async move { client.check_out(&fresh_key(), cart_id).await }
    });
    wait::until("the checkout waits aside", async || {
        world
            .server
            .metric("splitcart_coordinator_set_aside ")
            .await
            == 1.0
    })
    .await;
    lock.rollback().await.unwrap();
    assert_eq!(checkout.await.unwrap().status, 201);

    let retries = time_of(&world, Stage::Retries).await;
    let total = world.server.metric(SUCCEEDED).await;

    assert!(retries > total / 2.0, "{retries} of {total}");
}
