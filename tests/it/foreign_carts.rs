//! Another store's cart counts as none: members of other stores get 404 and neither lock the cart nor
//! queue for it, however many requests they send.

use std::time::{Duration, Instant};

use serde_json::json;
use uuid::Uuid;

use crate::support::{
    Client, Shopper, World, assert_consistent,
    client::fresh_key,
    crowd::{is_refused, together},
    market::cart_of,
};

/// The extra time that a checkout may take beside a crowd that asks for its cart, compared with a crowd
/// of the same size that asks for carts that do not exist. The machine is busy with other tests. Behind
/// 1,000 foreign requests in one queue the checkout took seconds.
const SLACK: Duration = Duration::from_millis(500);

/// Four buyers of other stores send 250 requests each, as many as one user may send at once; the owner
/// comes last.
async fn buy_beside_strangers(world: &World, asked: impl Fn(&Shopper) -> Uuid) -> Duration {
    let product = world.market.sold_product(500, 99).await;
    let owner = Shopper::with_cart(&world.market, &world.server, &cart_of(&[(product, 1)])).await;
    let mut crowd = Vec::new();
    for _ in 0..4 {
        let stranger = world.client(&world.market.buyer().await);
        for _ in 0..250 {
            let body = json!({ "cart_id": asked(&owner) });
            let request = stranger.checkout_request(&fresh_key(), &body);
            crowd.push(tokio::spawn(Client::send(request)));
        }
    }
    let started = Instant::now();
    let bought = tokio::spawn(async move { (owner.check_out().await, started.elapsed()) });
    let (bought, took) = bought.await.unwrap();
    assert_eq!(bought.status, 201, "{}", bought.text());
    for reply in crowd {
        let reply = reply.await.unwrap();
        // A foreign buyer may be refused for too many requests; the owner may not.
        assert!(
            reply.status == 404 || is_refused(&reply),
            "{}",
            reply.text()
        );
    }
    took
}

#[tokio::test]
async fn a_thousand_checkouts_of_strangers_do_not_hold_up_the_one_of_the_cart_s_owner() {
    let world = World::start().await;
    let (mut of_nobody, mut of_owner) = (Duration::MAX, Duration::MAX);
    for _ in 0..3 {
        of_nobody = of_nobody.min(buy_beside_strangers(&world, |_| Uuid::now_v7()).await);
        of_owner = of_owner.min(buy_beside_strangers(&world, |owner| owner.cart_id).await);
    }
    assert!(
        of_owner < of_nobody * 2 + SLACK,
        "{of_owner:?} beside those who ask for the cart, {of_nobody:?} beside others"
    );
    assert_consistent(&world.market.database).await;
}

/// Another session holds the row: the owner waits for it, and gets the corresponding error; a member of
/// another store gets at once that there is no such cart.
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
    assert!(is_refused(&waiting.await.unwrap()));
    let foreign = stranger.check_out(&fresh_key(), owner.cart_id).await;
    assert_eq!(foreign.status, 404, "{}", foreign.text());

    held.rollback().await.unwrap();
    assert_eq!(owner.insist().await.status, 201);
}

/// Both requests are in one batch: the foreign request must not take the cart away from its owner.
#[tokio::test]
async fn owner_and_stranger_may_share_a_transaction() {
    let world = World::start().await;
    let product = world.market.sold_product(500, 999).await;
    for _ in 0..10 {
        let owner =
            Shopper::with_cart(&world.market, &world.server, &cart_of(&[(product, 1)])).await;
        let stranger = world.client(&world.market.buyer().await);
        let body = json!({ "cart_id": owner.cart_id });
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
