//! Another store's cart is as good as none: strangers hear 404 and neither lock nor queue for it, however
//! many of them there are.

use std::time::{Duration, Instant};

use futures_util::future::join_all;

use crate::support::{
    Client, Shopper, World, assert_consistent, client::fresh_key, crowd::together, market::cart_of,
};

/// What a checkout beside a crowd of strangers may take, on a machine that is busy with other tests.
/// Behind 1,000 of them in one queue it took 2.7 s.
const PROMPT: Duration = Duration::from_secs(1);

/// Four strangers, 250 requests each, as many as one user may send at once.
#[tokio::test]
async fn a_thousand_checkouts_of_strangers_do_not_hold_up_the_one_of_the_cart_s_owner() {
    let world = World::start().await;
    let product = world.market.sold_product(500, 99).await;
    let owner = Shopper::with_cart(&world.market, &world.server, &cart_of(&[(product, 1)])).await;
    let strangers: Vec<Client> =
        join_all((0..4).map(async |_| world.client(&world.market.buyer().await))).await;
    let foreign = |client: &Client| client.clone();
    let requests: Vec<_> = strangers
        .iter()
        .flat_map(|client| (0..250).map(|_| foreign(client)))
        .map(|client| {
            let body = serde_json::json!({ "cart_id": owner.cart_id });
            client.checkout_request(&fresh_key(), &body)
        })
        .collect();
    let crowd = tokio::spawn(together(requests));
    crate::support::wait::until("the crowd is at the door", async || {
        world.server.metric("splitcart_coordinator_depth").await > 100.0
    })
    .await;

    let started = Instant::now();
    let bought = owner.check_out().await;
    let took = started.elapsed();

    assert_eq!(bought.status, 201, "{}", bought.text());
    assert!(!crowd.is_finished(), "the crowd was still there");
    let mut refused = 0;
    for reply in crowd.await.unwrap() {
        match reply.status {
            404 => assert_eq!(reply.code(), "NOT_FOUND"),
            503 => refused += 1,
            status => panic!("{status}: {}", reply.text()),
        }
    }
    assert!(took < PROMPT, "{took:?}");
    println!("owner {took:?}, {refused} strangers were told to come back");
    assert_consistent(&world.market.database).await;
}

/// The row is held by somebody else: its owner waits for it, and is told so; a stranger hears at once that
/// there is no such cart.
#[tokio::test]
async fn a_stranger_does_not_even_learn_that_a_cart_is_held() {
    let world = World::start().await;
    let product = world.market.sold_product(500, 99).await;
    let owner = Shopper::with_cart(&world.market, &world.server, &cart_of(&[(product, 1)])).await;
    let stranger = world.client(&world.market.buyer().await);
    let mut held = world.market.database.pool.begin().await.unwrap();
    sqlx::query("select from cart_records for update")
        .execute(&mut *held)
        .await
        .unwrap();

    let waiting = tokio::spawn({
        let owner = owner.clone();
        async move { owner.check_out().await }
    });
    let foreign = stranger.check_out(&fresh_key(), owner.cart_id).await;
    assert_eq!(foreign.status, 404, "{}", foreign.text());
    assert!(crate::support::crowd::is_refused(&waiting.await.unwrap()));
    let foreign = stranger.check_out(&fresh_key(), owner.cart_id).await;
    assert_eq!(foreign.status, 404, "{}", foreign.text());

    held.rollback().await.unwrap();
    assert_eq!(owner.insist().await.status, 201);
}

/// Both are in one batch: what the stranger asks for must not take the cart away from its owner.
#[tokio::test]
async fn owner_and_stranger_may_share_a_transaction() {
    let world = World::start().await;
    let product = world.market.sold_product(500, 999).await;
    for _ in 0..10 {
        let owner =
            Shopper::with_cart(&world.market, &world.server, &cart_of(&[(product, 1)])).await;
        let stranger = world.client(&world.market.buyer().await);
        let body = serde_json::json!({ "cart_id": owner.cart_id });
        let foreign = |_| stranger.checkout_request(&fresh_key(), &body);
        let requests = (0..3)
            .map(foreign)
            .chain([owner.request()])
            .chain((0..3).map(foreign));

        let replies = together(requests).await;

        let statuses: Vec<_> = replies.iter().map(|reply| reply.status).collect();
        assert_eq!(statuses, [404, 404, 404, 201, 404, 404, 404]);
    }
    assert_consistent(&world.market.database).await;
}
