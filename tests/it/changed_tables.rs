//! A table changes while the service runs, as in a rolling upgrade: prepared statements refer to the
//! old one.

use crate::support::{World, client::fresh_key, market::cart_of};

/// One connection of each pool, so that every kind of statement is prepared on it.
const ONE_OF_EACH: [(&str, &str); 3] = [
    ("SPLITCART_HTTP_WORKERS", "1"),
    ("SPLITCART_TRANSACTIONS_IN_FLIGHT", "1"),
    ("SPLITCART_CART_TRANSACTIONS_IN_FLIGHT", "1"),
];

#[tokio::test]
async fn a_changed_column_costs_one_answer_at_most() {
    let world = World::with_settings(&ONE_OF_EACH).await;
    let client = world.client(&world.market.buyer().await);
    let product = world.market.sold_product(500, 90).await;
    let cart = cart_of(&[(product, 2)]);
    for _ in 0..10 {
        client.freeze(&cart).await;
        assert_eq!(client.get_cart().await.status, 200);
    }

    world
        .market
        .database
        .run("alter table cart_records alter column currency type varchar(3)")
        .await;

    for round in 0..10 {
        let got = client.get_cart().await;
        assert_eq!(got.status, 200, "{round}: {}", got.text());
        let put = client.put_cart(&fresh_key(), &cart).await;
        assert_eq!(put.status, 200, "{round}: {}", put.text());
    }
    let cart_id = client.freeze(&cart).await;
    assert_eq!(client.check_out(&fresh_key(), cart_id).await.status, 201);
    // The change hit a prepared statement.
    world
        .server
        .until_logged("cached plan must not change")
        .await;
}
