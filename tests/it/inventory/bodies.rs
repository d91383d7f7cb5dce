//! Malformed counts: 400 as a whole, every problem at once, and nothing is changed.

use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{Client, client::fresh_key};

use super::{Shop, request};

#[tokio::test]
async fn every_problem_of_a_body_is_told_and_no_item_is_carried_out() {
    let shop = Shop::with_stock(&[10]).await;
    let (id, too_large) = (shop.products[0].id, i64::from(i32::MAX) + 1);
    let item = |more: Value| {
        let mut item = json!({ "product_id": id });
        item.as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        item
    };
    let alone = |more: Value| json!({ "items": [item(more)] });
    let before = shop.world.market.database.contents().await;
    for (body, paths) in [
        (json!({}), vec!["/items"]),
        (json!([]), vec![""]),
        (json!({ "items": [] }), vec!["/items"]),
        (json!({ "items": {} }), vec!["/items"]),
        (
            json!({ "items": vec![item(json!({ "delta_qty": 1 })); 1001] }),
            vec!["/items"],
        ),
        (
            json!({ "items": [item(json!({ "delta_qty": 1 })), 7] }),
            vec!["/items/1"],
        ),
        (json!({ "items": [{ "delta_qty": 1 }] }), vec!["/items/0"]),
        (json!({ "items": [{}] }), vec!["/items/0", "/items/0"]),
        (
            alone(json!({ "sku": "S", "delta_qty": 1 })),
            vec!["/items/0"],
        ),
        (alone(json!({})), vec!["/items/0"]),
        (alone(json!({ "if_version": 1 })), vec!["/items/0"]),
        (
            alone(json!({ "delta_qty": 1, "on_hand_qty": 1 })),
            vec!["/items/0"],
        ),
        (
            alone(json!({ "available_qty": 1, "on_hand_qty": 1, "low_stock_threshold": 1 })),
            vec!["/items/0"],
        ),
        (
            alone(json!({ "on_hand_qty": -1 })),
            vec!["/items/0/on_hand_qty"],
        ),
        (
            alone(json!({ "available_qty": too_large })),
            vec!["/items/0/available_qty"],
        ),
        (
            alone(json!({ "delta_qty": too_large })),
            vec!["/items/0/delta_qty"],
        ),
        (
            alone(json!({ "delta_qty": -too_large - 1 })),
            vec!["/items/0/delta_qty"],
        ),
        (
            alone(json!({ "delta_qty": "1" })),
            vec!["/items/0/delta_qty"],
        ),
        (
            alone(json!({ "delta_qty": 1.5 })),
            vec!["/items/0/delta_qty"],
        ),
        (
            alone(json!({ "low_stock_threshold": -1 })),
            vec!["/items/0/low_stock_threshold"],
        ),
        (
            alone(json!({ "delta_qty": 1, "if_version": -1 })),
            vec!["/items/0/if_version"],
        ),
        (
            alone(json!({ "delta_qty": 1, "if_version": u64::MAX })),
            vec!["/items/0/if_version"],
        ),
        (
            alone(json!({ "delta_qty": 1, "colour": "red" })),
            vec!["/items/0/colour"],
        ),
        (
            json!({ "items": [{ "sku": "", "delta_qty": 1 }, { "product_id": "x", "on_hand_qty": -1 }] }),
            vec![
                "/items/0/sku",
                "/items/1/product_id",
                "/items/1/on_hand_qty",
            ],
        ),
    ] {
        let reply = Client::send(request(&shop.client, &fresh_key(), &body)).await;
        assert_eq!(
            (reply.status, reply.code().as_str()),
            (400, "VALIDATION_ERROR"),
            "{body}"
        );
        assert_eq!(reply.bad_fields(), paths, "{body}");
    }
    assert_eq!(shop.world.market.database.contents().await, before);
}

#[tokio::test]
async fn the_greatest_numbers_are_numbers() {
    let shop = Shop::with_stock(&[0]).await;
    let id = shop.products[0].id;
    for (item, expected) in [
        (
            json!({ "product_id": id, "available_qty": i32::MAX, "if_version": 0 }),
            200,
        ),
        (
            json!({ "product_id": id, "delta_qty": i32::MIN, "if_version": i64::MAX }),
            200,
        ),
        (
            json!({ "product_id": id, "delta_qty": i32::MAX, "low_stock_threshold": i32::MAX }),
            200,
        ),
        (json!({ "sku": "é".repeat(255), "delta_qty": 1.0 }), 200),
        (json!({ "sku": "é".repeat(256), "delta_qty": 1 }), 400),
        (
            json!({ "product_id": Uuid::nil(), "sku": null, "delta_qty": 1 }),
            200,
        ),
    ] {
        let body = json!({ "items": [item] });
        let reply = Client::send(request(&shop.client, &fresh_key(), &body)).await;
        assert_eq!(reply.status, expected, "{item} {}", reply.text());
    }
    assert_eq!(shop.stock(shop.products[0]).await, (i32::MAX, 0, 1));
}
