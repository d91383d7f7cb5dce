//! Counts while the products are sold: nothing is lost and nothing invented.

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::support::{
    Shopper, assert_consistent,
    crowd::{check_out_together, is_refused},
    market::cart_of,
};

use super::{Shop, count, results, word};

/// Counts until the count is carried out.
async fn insist(shop: &Shop, item: &Value) -> Value {
    for _ in 0..20 {
        let reply = count(&shop.client, std::slice::from_ref(item)).await;
        if !is_refused(&reply) {
            return results(&reply).remove(0);
        }
    }
    panic!("{item} was never counted");
}

#[tokio::test]
async fn units_that_are_added_and_taken_away_in_the_middle_of_a_crowd_add_up() {
    let shop = Shop::with_stock(&[30]).await;
    let product = shop.products[0];
    let carts = vec![cart_of(&[(product, 1)]); 60];
    let shoppers = Shopper::with_carts(&shop.world.market, &shop.world.server, &carts).await;
    let counts = async {
        let deltas = (0..20).map(|nr| if nr % 4 == 3 { -1 } else { 1 });
        let items = deltas.map(|delta| json!({ "product_id": product.id, "delta_qty": delta }));
        let mut added = 0;
        for item in items {
            if word(&insist(&shop, &item).await) == "changed" {
                added += item["delta_qty"].as_i64().unwrap();
            }
        }
        added
    };

    let (replies, added) = tokio::join!(check_out_together(&shoppers), counts);

    assert!(replies.iter().all(|reply| reply.status == 201));
    let (available, reserved, version) = shop.stock(product).await;
    assert_eq!(i64::from(available) + i64::from(reserved), 30 + added);
    assert!(version >= 15, "{version}");
    assert_consistent(&shop.world.market.database).await;
}

/// What is on the shelf is counted while it is sold: sold units are on the shelf, too.
#[tokio::test]
async fn a_shelf_that_is_counted_in_the_middle_of_a_crowd_holds_what_was_counted() {
    let shop = Shop::with_stock(&[100]).await;
    let product = shop.products[0];
    let carts = vec![cart_of(&[(product, 1)]); 40];
    let shoppers = Shopper::with_carts(&shop.world.market, &shop.world.server, &carts).await;
    let counts = async {
        let counts =
            [70, 90, 80].map(|qty| json!({ "product_id": product.id, "on_hand_qty": qty }));
        let mut told = Vec::new();
        for item in &counts {
            told.push(insist(&shop, item).await);
        }
        told
    };

    let (replies, told) = tokio::join!(check_out_together(&shoppers), counts);

    assert!(replies.iter().all(|reply| reply.status == 201));
    for (told, qty) in told.iter().zip([70, 90, 80]) {
        let [available, reserved] =
            ["available_qty", "reserved_qty"].map(|name| told[name].as_i64().unwrap());
        assert_eq!(available + reserved, qty);
    }
    assert_eq!(shop.stock(product).await, (40, 40, 3));
    assert_consistent(&shop.world.market.database).await;
}

/// Counts of one vendor that overlap in every order of their items.
#[tokio::test]
async fn counts_of_the_same_products_in_any_order_wait_for_each_other() {
    let shop = Shop::with_stock(&[0; 20]).await;
    let items: Vec<_> = shop
        .products
        .iter()
        .map(|product| json!({ "product_id": product.id, "delta_qty": 1 }))
        .collect();
    let counts = (0..20).map(|nr| {
        let mut items = items.clone();
        items.rotate_left(nr);
        if nr % 2 == 0 {
            items.reverse();
        }
        let client = shop.client.clone();
        async move { count(&client, &items).await }
    });

    for reply in join_all(counts).await {
        assert!(results(&reply).iter().all(|told| word(told) == "changed"));
    }

    for product in &shop.products {
        assert_eq!(shop.stock(*product).await, (20, 0, 20));
    }
}
