//! Each store sees what is its own.

use serde_json::json;

use crate::{
    moves::{accept, check_out, worker},
    support::{World, market::cart_of},
};

use super::Stream;

#[tokio::test]
async fn a_vendor_sees_its_own_order_and_no_other_and_a_buyer_its_whole_checkout() {
    let world = World::start().await;
    let (one, two) = (world.market.vendor().await, world.market.vendor().await);
    let products = [
        world.market.product(one, 500, 10).await,
        world.market.product(two, 300, 10).await,
    ];
    let buyer = world.client(&world.market.buyer().await);
    let other_buyer = world.client(&world.market.buyer().await);
    let vendors = [
        worker(&world, one, "viewer").await,
        worker(&world, two, "ops").await,
    ];
    let decider = worker(&world, one, "ops").await;
    let mut of_buyer = Stream::open(&buyer).await;
    let mut of_other_buyer = Stream::open(&other_buyer).await;
    let mut of_one = Stream::open(&vendors[0]).await;
    let mut of_two = Stream::open(&vendors[1]).await;

    let group = check_out(&buyer, &cart_of(&[(products[0], 2), (products[1], 1)])).await;
    let orders = group["vendor_orders"].as_array().unwrap();
    let order_of = |vendor: uuid::Uuid| {
        let mut orders = orders.iter();
        orders
            .find(|order| order["vendor_store_id"] == json!(vendor))
            .unwrap()
    };

    let whole = of_buyer.next().await.unwrap();
    assert_eq!(whole.name, "order_created");
    assert_eq!(whole.data["aggregate_id"], group["checkout_group_id"]);
    for (stream, vendor, product) in [
        (&mut of_one, one, products[0]),
        (&mut of_two, two, products[1]),
    ] {
        let own = stream.next().await.unwrap();
        assert_eq!(own.name, "vendor_order_created");
        assert_eq!(
            own.data["data"]["order_id"],
            order_of(vendor.store_id)["order_id"]
        );
        let lines = own.data["data"]["lines"].as_array().unwrap();
        assert_eq!(lines.len(), 1);
        assert_eq!(lines[0]["product_id"], json!(product.id));
    }

    let of_first = order_of(one.store_id);
    assert_eq!(accept(&decider, of_first).await.status, 200);
    assert_eq!(
        accept(&vendors[1], order_of(two.store_id)).await.status,
        200
    );

    let id = |vendor: uuid::Uuid| order_of(vendor)["order_id"].as_str().unwrap().to_owned();
    let decision_about = |id: String| ("order_decided".to_owned(), id);
    assert_eq!(of_one.next_words().await, decision_about(id(one.store_id)));
    // The other vendor's decision came first, and is not here.
    assert_eq!(of_two.next_words().await, decision_about(id(two.store_id)));
    assert_eq!(
        of_buyer.next_words().await,
        decision_about(id(one.store_id))
    );
    assert_eq!(
        of_buyer.next_words().await,
        decision_about(id(two.store_id))
    );

    // Its first event is its own.
    let own = check_out(&other_buyer, &cart_of(&[(products[0], 1)])).await;
    let group_id = own["checkout_group_id"].as_str().unwrap().to_owned();
    assert_eq!(
        of_other_buyer.next_words().await,
        ("order_created".to_owned(), group_id)
    );
}

#[tokio::test]
async fn a_vendor_sees_that_its_stock_runs_low() {
    let world = World::start().await;
    let product = world.market.sold_product(500, 1).await;
    let vendor = worker(&world, product.vendor, "ops").await;
    let buyer = world.client(&world.market.buyer().await);
    let mut stream = Stream::open(&vendor).await;

    check_out(&buyer, &cart_of(&[(product, 1)])).await;

    let mut seen = [stream.next_words().await.0, stream.next_words().await.0];
    seen.sort_unstable();
    assert_eq!(seen, ["inventory_low", "vendor_order_created"]);
}
