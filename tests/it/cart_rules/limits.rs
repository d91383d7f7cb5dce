//! `PUT /api/v1/cart` at its limits: the most money and the most lines.

use serde_json::json;

use crate::support::{
    World,
    client::fresh_key,
    market::{cart_of, item},
};

use super::{of_line, refused};

/// More money than an amount can hold is refused as a rule, not as a fault.
#[tokio::test]
async fn money_that_does_not_fit_is_refused() {
    let world = World::start().await;
    let market = &world.market;
    let client = world.client(&market.buyer().await);
    let dear = market.sold_product(99_999_999_999_999, i32::MAX).await;
    let half = market.sold_product(50_000_000_000_000, 10).await;
    let other_half = market.sold_product(50_000_000_000_000, 10).await;
    let totals = json!({
        "subtotal": "999999999999.99", "discount_total": "0.00", "total": "999999999999.99",
    });
    for lines in [
        vec![(dear, 2)],
        vec![(dear, i32::MAX)],
        vec![(half, 1), (other_half, 1)],
    ] {
        let items: Vec<_> = lines
            .iter()
            .map(|(product, qty)| item(*product, *qty))
            .collect();
        let last = lines.len() - 1;
        let cart = json!({ "items": items, "totals": totals });

        let violations = refused(&world, &client, &cart).await;

        let path = format!("/items/{last}/qty");
        assert_eq!(
            violations,
            [of_line("max_qty_exceeded", &path, &cart["items"][last])]
        );
    }
    // The greatest amount itself fits.
    let mut cart = cart_of(&[(dear, 1)]);
    assert_eq!(cart["totals"], totals);
    cart["items"][0]["unit_price"] = json!("999999999999.99");
    client.freeze(&cart).await;
}

/// The greatest cart, and one line more.
#[tokio::test]
async fn a_cart_has_at_most_two_hundred_lines() {
    let world = World::start().await;
    let client = world.client(&world.market.buyer().await);
    let mut lines = Vec::new();
    for _ in 0..2 {
        let vendor = world.market.vendor().await;
        for price in 1..=101 {
            lines.push((world.market.product(vendor, price, 9).await, 1));
        }
    }
    let before = world.market.database.contents().await;

    let refused = client.put_cart(&fresh_key(), &cart_of(&lines[..201])).await;
    assert_eq!(world.market.database.contents().await, before);
    let taken = client.put_cart(&fresh_key(), &cart_of(&lines[..200])).await;

    assert_eq!(
        (refused.status, refused.code().as_str()),
        (400, "VALIDATION_ERROR")
    );
    assert_eq!(refused.bad_fields(), ["/items"]);
    assert_eq!(taken.data()["items"].as_array().unwrap().len(), 200);
    assert_eq!(client.get_cart().await.bytes, taken.bytes);
}
