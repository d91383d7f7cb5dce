//! A row that another session holds costs a count that needs it some time, and nobody else anything.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::support::{
    Shopper, World, assert_consistent, crowd::is_refused, market::cart_of, patience::patient, wait,
};

use super::{Shop, count, results, word};

/// The time within which a count is refused that needs the held row, on a busy machine.
const REFUSED_WITHIN: Duration = Duration::from_millis(2500);
/// The time within which a checkout of another vendor ends meanwhile.
const PROMPT: Duration = Duration::from_secs(2);

#[tokio::test]
async fn a_count_that_needs_a_held_row_is_refused_in_time_and_others_go_on() {
    let shop = Shop::with_stock(&[10, 10]).await;
    let [held, free] = shop.products[..] else {
        unreachable!()
    };
    let (market, server) = (&shop.world.market, &shop.world.server);
    let elsewhere = market.sold_product(500, 1000).await;
    let items = [held, free].map(|product| json!({ "product_id": product.id, "delta_qty": 1 }));
    let holder = market.hold_stock(held).await;

    let counting = tokio::spawn({
        let (client, items) = (shop.client.clone(), items.clone());
        async move {
            let started = Instant::now();
            (count(&client, &items).await, started.elapsed())
        }
    });
    let mut bought = 0;
    while !counting.is_finished() {
        // Of another vendor, and of the same one.
        for product in [elsewhere, free] {
            let cart = cart_of(&[(product, 1)]);
            let shopper = Shopper::with_cart(market, server, &cart).await;
            let started = Instant::now();
            assert_eq!(shopper.check_out().await.status, 201);
            assert!(started.elapsed() < PROMPT, "{:?}", started.elapsed());
            bought += 1;
        }
        if bought > 8 {
            break;
        }
    }
    let (reply, took) = counting.await.unwrap();
    assert!(is_refused(&reply), "{}", reply.text());
    assert_eq!(reply.code(), "OVERLOADED");
    assert!(took < REFUSED_WITHIN, "{took:?}");
    assert!(bought >= 2, "{bought}");
    let (.., version) = shop.stock(free).await;
    assert_eq!(version, 0, "a refused count changes nothing");

    holder.rollback().await.unwrap();
    wait::until("the row is free and the count carried out", async || {
        let reply = count(&shop.client, &items).await;
        assert!(
            is_refused(&reply) || reply.status == 200,
            "{}",
            reply.text()
        );
        reply.status == 200
    })
    .await;
    assert_eq!(shop.stock(held).await, (11, 0, 1));
    assert_consistent(&market.database).await;
}

#[tokio::test]
async fn a_count_waits_for_a_row_that_is_soon_free() {
    let settings = patient(&[("SPLITCART_HELD_WAIT_MS_MAX", "20000")]);
    let shop = Shop::in_world(World::with_settings(&settings).await, &[10]).await;
    let product = shop.products[0];
    let holder = shop.world.market.hold_stock(product).await;
    let counting = tokio::spawn({
        let client = shop.client.clone();
        let item = json!({ "product_id": product.id, "on_hand_qty": 7 });
        async move { count(&client, &[item]).await }
    });
    let server = &shop.world.server;
    wait::until("the count waits outside its transaction", async || {
        server.metric("splitcart_count_set_aside").await == 1.0
    })
    .await;

    holder.rollback().await.unwrap();

    let told = results(&counting.await.unwrap());
    assert_eq!(word(&told[0]), "changed");
    assert_eq!(shop.stock(product).await, (7, 0, 1));
}
