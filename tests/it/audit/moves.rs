//! Orders in every status that moves lead to, and the faults that the audit finds in them.

use serde_json::{Value, json};

use crate::{
    moves::{Stage, accept, cancel, check_out, decide, fulfil, id, post},
    support::{World, assert_consistent, market::item, wait},
};

/// Changes to a sound database with moved orders, each with the rules that it breaks.
pub const FAULTS: &[(&str, &[&str])] = &[
    (
        "update inventory_items set fulfilled_qty = fulfilled_qty + 1",
        &["stock_fulfilled_by_lines"],
    ),
    (
        "update order_line_items set updated_at = now() - interval '9 days' where status = 'fulfilled'",
        &["stock_fulfilled_by_lines"],
    ),
    (
        "alter table inventory_items drop constraint inventory_items_fulfilled_not_negative;
         update inventory_items set fulfilled_qty = -1",
        &["stock_not_negative", "stock_fulfilled_by_lines"],
    ),
    (
        "update vendor_orders set status = 'delivered' where status = 'canceled';
         update vendor_orders set rejection_reason = null where status = 'rejected'",
        &[
            "order_rejected_if_empty",
            "order_fits_its_lines",
            "event_per_ended_order",
        ],
    ),
    (
        "update vendor_orders set status = 'fulfilled' where status = 'canceled'",
        &[
            "order_rejected_if_empty",
            "order_fits_its_lines",
            "event_per_ended_order",
        ],
    ),
    (
        "update vendor_orders set status = 'accepted' where status = 'partially_accepted'",
        &["order_fits_its_lines"],
    ),
    (
        "update vendor_orders set status = 'partially_accepted' where status = 'accepted'",
        &["order_fits_its_lines"],
    ),
    (
        "update vendor_orders set status = 'created_pending' where status = 'accepted'",
        &["order_fits_its_lines"],
    ),
    (
        "update vendor_orders set status = 'accepted' where status = 'created_pending'",
        &["order_fits_its_lines"],
    ),
    (
        "update vendor_orders set status = 'accepted' where status = 'fulfilled'",
        &["order_fits_its_lines", "event_per_ended_order"],
    ),
    (
        "update vendor_orders set rejection_reason = 'no_line_reserved' where status = 'rejected'",
        &["order_fits_its_lines", "event_per_ended_order"],
    ),
    (
        "update order_line_items set rejection_reason = 'order_expired', rejection_detail = null
         where rejection_reason = 'order_canceled'",
        &["order_fits_its_lines"],
    ),
    (
        "update order_line_items set rejection_reason = 'order_canceled'
         where rejection_reason = 'order_expired'",
        &["order_fits_its_lines"],
    ),
    (
        "delete from payment_intents where status = 'failed'",
        &["payment_per_reserved_order"],
    ),
    (
        "update payment_intents set status = 'unpaid' where status = 'failed'",
        &["payment_of_nothing"],
    ),
    (
        "update payment_intents set status = 'unpaid' where status = 'settled'",
        &["payment_of_nothing"],
    ),
    (
        "delete from outbox_events where event_type = 'order_expired'",
        &["event_per_ended_order"],
    ),
    (
        "delete from outbox_events where payload ->> 'status' = 'rejected'",
        &["event_per_ended_order"],
    ),
    (
        "update outbox_events set event_type = 'order_expired' where event_type = 'order_canceled'",
        &["event_per_ended_order"],
    ),
    (
        "drop index outbox_events_order_ends_once_key;
         insert into outbox_events (id, event_type, aggregate_type, aggregate_id, payload)
         select gen_random_uuid(), event_type, aggregate_type, aggregate_id, payload
         from outbox_events
         where event_type = 'order_fulfilled'",
        &["event_per_ended_order"],
    ),
    (
        "insert into outbox_events (id, event_type, aggregate_type, aggregate_id, payload)
         select gen_random_uuid(), event_type, aggregate_type, aggregate_id, payload
         from outbox_events
         where payload ->> 'status' = 'rejected'",
        &["event_per_ended_order"],
    ),
    (
        "update outbox_events set aggregate_id = gen_random_uuid()
         where payload -> 'final' = 'false'",
        &["event_tells_its_order"],
    ),
    (
        "update outbox_events set payload = jsonb_set(payload, '{final}', 'false')
         where event_type = 'order_decided'",
        &["event_tells_its_order"],
    ),
    (
        "update outbox_events set payload = jsonb_set(payload, '{final}', 'true')
         where event_type = 'order_canceled'",
        &["event_tells_its_order"],
    ),
    (
        "update outbox_events set payload = jsonb_set(payload, '{buyer_store_id}', '\"somebody\"')
         where event_type = 'order_fulfilled'",
        &["event_tells_its_order"],
    ),
    (
        "update outbox_events set payload = jsonb_set(payload, '{lines}', '[]')
         where event_type = 'order_fulfilled'",
        &["event_tells_its_order"],
    ),
    (
        "update outbox_events set payload = jsonb_set(payload, '{lines}', '7')
         where event_type = 'order_fulfilled'",
        &["event_tells_its_order"],
    ),
    (
        "update outbox_events set payload = jsonb_set(payload, '{lines,1,qty}', '7')
         where event_type = 'order_fulfilled'",
        &["event_tells_its_order"],
    ),
    (
        "update idempotency_keys
         set path = '/api/v1/orders/' || gen_random_uuid() || '/decision'
         where path like '%/decision'",
        &["key_of_a_move"],
    ),
    (
        "update idempotency_keys k set store_id = o.buyer_store_id
         from vendor_orders o
         where o.checkout_group_id = k.checkout_group_id and path like '%/fulfillment'",
        &["key_of_a_move"],
    ),
    (
        "update idempotency_keys k set store_id = o.vendor_store_id
         from vendor_orders o
         where o.checkout_group_id = k.checkout_group_id and path like '%/cancellation'",
        &["key_of_a_move"],
    ),
    (
        "update idempotency_keys
         set checkout_group_id = (select max(id::text)::uuid from checkout_groups)
         where path like '/api/v1/checkout-groups/%' or path like '%/fulfillment'",
        &["key_of_a_move", "key_answers_with_its_group"],
    ),
];

/// Changes that leave a database with moved orders sound.
pub const NO_FAULTS: &[&str] = &[
    "with dead as (delete from outbox_events returning *)
     insert into outbox_dead_letters (id, event_type, aggregate_type, aggregate_id, payload,
        created_at, attempts, next_attempt_at, reason)
     select id, event_type, aggregate_type, aggregate_id, payload, created_at, 8, next_attempt_at,
        'max_attempts'
     from dead",
    // What systems behind this one do.
    "update vendor_orders set status = 'in_transit' where status = 'fulfilled'",
    "update vendor_orders set status = 'closed' where status = 'canceled'",
    "update vendor_orders set status = 'hold' where status = 'created_pending';
     update order_line_items l set status = 'hold'
     from vendor_orders o where o.id = l.order_id and o.status = 'hold' and l.status = 'pending'",
    // Orders that ended before orders were moved by the service.
    "update _sqlx_migrations set installed_on = now() + interval '1 day' where version = 13;
     update inventory_items set fulfilled_qty = 0;
     delete from outbox_events where aggregate_type = 'vendor_order'",
    // The keys of moves have expired, and the sweeper has removed them.
    "delete from idempotency_keys where path <> '/api/v1/checkout'",
    // Foreign events about orders.
    "insert into outbox_events (id, event_type, aggregate_type, aggregate_id, payload)
     select gen_random_uuid(), 'order_printed', 'vendor_order', id, '{}' from vendor_orders",
];

/// An order in each status that moves lead to. No server runs.
pub async fn world_of_moves() -> World {
    let stage = Stage::with_products(&[1000, 250]).await;
    let lines = |order: &Value, decisions: [&str; 2]| {
        let items = order["items"].as_array().unwrap().iter();
        let decided = items
            .zip(decisions)
            .filter(|(_, decision)| !decision.is_empty());
        let lines = decided.map(|(item, decision)| {
            let mut line = json!({ "line_item_id": item["line_item_id"], "decision": decision });
            if decision == "reject" {
                line["note"] = json!("Sold out.");
            }
            line
        });
        json!({ "lines": lines.collect::<Vec<_>>() })
    };
    for decisions in [
        ["accept", ""],
        ["accept", "accept"],
        ["reject", "accept"],
        ["reject", "reject"],
    ] {
        let order = stage.buy(&[1, 1]).await;
        let body = lines(&order, decisions);
        assert_eq!(decide(&stage.vendor, &order, &body).await.status, 200);
    }
    let fulfilled = stage.buy(&[1, 1]).await;
    assert_eq!(accept(&stage.vendor, &fulfilled).await.status, 200);
    assert_eq!(fulfil(&stage.vendor, &fulfilled).await.status, 200);
    assert_eq!(
        cancel(&stage.buyer, &stage.buy(&[1, 1]).await).await.status,
        200
    );
    let group = id(&stage.buy(&[1, 1]).await["checkout_group_id"]);
    let path = format!("/api/v1/checkout-groups/{group}/cancellation");
    let note = json!({ "note": "Too late." });
    assert_eq!(post(&stage.buyer, &path, &note).await.status, 200);
    buy_what_comes_to_nothing(&stage).await;
    let late = id(&stage.buy(&[1, 1]).await["order_id"]);
    let backdate = format!(
        "update vendor_orders set created_at = now() - interval '11 days' where id = '{late}'"
    );
    stage.world.market.database.run(&backdate).await;
    let expired = "select count(*) from vendor_orders where status = 'expired'";
    wait::until("the late order has expired", async || {
        stage.world.market.database.count(expired).await == 1
    })
    .await;
    let mut world = stage.world;
    world.server.terminate();
    world.server.ended().await;
    assert_consistent(&world.market.database).await;
    world
}

/// The line that is left costs less than the vendor's discount.
async fn buy_what_comes_to_nothing(stage: &Stage) {
    let [dear, cheap] = stage.products[..] else {
        panic!("there are two products");
    };
    stage
        .world
        .market
        .discount(stage.shop, "SPRING", "fixed", "3")
        .await;
    let cart = json!({
        "items": [item(dear, 1), item(cheap, 1)],
        "discounts": [{ "vendor_store_id": stage.shop.store_id, "code": "SPRING" }],
        "totals": { "subtotal": "12.50", "discount_total": "3.00", "total": "9.50" },
    });
    let order = &check_out(&stage.buyer, &cart).await["vendor_orders"][0];
    let order = stage
        .buyer
        .get(&format!("/api/v1/orders/{}", id(&order["order_id"])))
        .await
        .data();
    let [dear, cheap] = [0, 1].map(|nr| order["items"][nr]["line_item_id"].clone());
    let body = json!({ "lines": [
        { "line_item_id": dear, "decision": "reject" },
        { "line_item_id": cheap, "decision": "accept" },
    ] });
    let decided = decide(&stage.vendor, &order, &body).await.data();
    assert_eq!(decided["payment_intent"]["status"], "settled");
}
