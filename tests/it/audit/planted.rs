//! Every rule finds the fault that it exists for, and none reports a sound database.

use std::collections::BTreeSet;

use audit::check_all;
use serde_json::json;
use splitcart::db;
use sqlx::{AssertSqlSafe, PgConnection};

use super::moves;
use crate::support::{
    Client, Shopper, World, assert_consistent, audit::PATIENT, client::fresh_key, market::cart_of,
};

/// Changes to a sound database, each with the rules that it breaks.
const FAULTS: &[(&str, &[&str])] = &[
    (
        "alter table inventory_items drop constraint inventory_items_available_not_negative;
         update inventory_items set available_qty = -1",
        &["stock_not_negative"],
    ),
    (
        "update inventory_items set reserved_qty = reserved_qty + 1",
        &["stock_reserved_by_lines"],
    ),
    ("delete from inventory_items", &["stock_reserved_by_lines"]),
    (
        "update cart_records set status = 'active', converted_at = null",
        &["group_per_converted_cart"],
    ),
    (
        "insert into cart_records (id, buyer_store_id, created_by, status, subtotal, discount_total,
            total, converted_at)
         select gen_random_uuid(), buyer_store_id, created_by, 'converted', 0, 0, 0, now()
         from cart_records",
        &["group_per_converted_cart"],
    ),
    (
        "alter table checkout_groups drop constraint checkout_groups_cart_key;
         insert into checkout_groups (id, buyer_store_id, cart_id, created_by, subtotal,
            discount_total, total)
         select gen_random_uuid(), buyer_store_id, cart_id, created_by, 0, 0, 0
         from checkout_groups",
        &[
            "group_per_converted_cart",
            "group_order_per_vendor",
            "group_figures",
            "line_of_its_cart",
            "event_per_group",
            "key_per_group",
        ],
    ),
    (
        "update checkout_groups set currency = 'CAD'",
        &["group_of_its_cart", "order_of_its_group"],
    ),
    (
        "insert into vendor_orders (id, checkout_group_id, buyer_store_id, vendor_store_id, status,
            rejection_reason, subtotal, discount_total, total, balance_due)
         select gen_random_uuid(), g.id, g.buyer_store_id, s.id, 'rejected', 'no_line_reserved',
            0, 0, 0, 0
         from checkout_groups g, stores s
         where s.type = 'vendor' and s.id not in (select vendor_store_id from vendor_orders)",
        &["group_order_per_vendor", "event_tells_its_group"],
    ),
    (
        "update checkout_groups set subtotal = subtotal + 1, discount_total = discount_total + 1",
        &["group_figures"],
    ),
    (
        "update vendor_orders set currency = 'CAD'",
        &["order_of_its_group"],
    ),
    (
        "update vendor_orders set subtotal = subtotal + 1, discount_total = discount_total + 1",
        &["group_figures", "order_figures"],
    ),
    (
        "update vendor_orders set status = 'rejected', rejection_reason = 'no_line_reserved'",
        &["order_rejected_if_empty"],
    ),
    (
        // A vendor's discount that was granted and not taken off.
        "insert into cart_vendor_discounts (id, cart_id, vendor_store_id, code, title, kind, value,
            amount)
         select gen_random_uuid(), g.cart_id, o.vendor_store_id, 'CODE', '', 'percentage', 10, 1
         from checkout_groups g join vendor_orders o on o.checkout_group_id = g.id",
        &["order_figures"],
    ),
    (
        "alter table order_line_items drop constraint order_line_items_reason_iff_rejected;
         update order_line_items set rejection_reason = 'insufficient_inventory'",
        &["line_reserved_or_rejected"],
    ),
    (
        // The line is rejected, and yet its stock is held and its money is collected.
        "update order_line_items
         set status = 'rejected', rejection_reason = 'insufficient_inventory'",
        &[
            "stock_reserved_by_lines",
            "order_figures",
            "order_rejected_if_empty",
            "order_fits_its_lines",
            "payment_per_reserved_order",
        ],
    ),
    (
        "update order_line_items set position = position + 5",
        &["line_of_its_cart"],
    ),
    (
        "delete from order_line_items",
        &[
            "stock_reserved_by_lines",
            "order_figures",
            "order_rejected_if_empty",
            "line_of_its_cart",
            "payment_per_reserved_order",
        ],
    ),
    (
        "insert into order_line_items (id, order_id, checkout_group_id, position, product_id, sku,
            title, unit, qty, list_price, unit_price, discount, total, status)
         select gen_random_uuid(), order_id, checkout_group_id, position, product_id, sku, title,
            unit, qty, list_price, unit_price, discount, total, status
         from order_line_items",
        &["stock_reserved_by_lines", "order_figures", "line_of_its_cart", "line_once"],
    ),
    (
        "update order_line_items l set checkout_group_id = g.id
         from checkout_groups g
         where g.id <> l.checkout_group_id
            and g.id = (select max(id::text)::uuid from checkout_groups)",
        &["line_of_its_group"],
    ),
    (
        "update order_line_items set discount = 1",
        &["line_of_its_cart", "line_figures"],
    ),
    (
        "delete from payment_intents",
        &["payment_per_reserved_order"],
    ),
    (
        "alter table payment_intents drop constraint payment_intents_order_key;
         insert into payment_intents (id, order_id, amount)
         select gen_random_uuid(), order_id, amount from payment_intents",
        &["payment_per_reserved_order"],
    ),
    (
        "update payment_intents set amount = amount + 1",
        &["payment_amount"],
    ),
    (
        "update vendor_orders set balance_due = 0",
        &["payment_balance"],
    ),
    (
        "update vendor_orders set balance_due = balance_due + 1;
         update payment_intents set status = 'paid'",
        &["payment_balance"],
    ),
    ("delete from outbox_events", &["event_per_group"]),
    (
        "drop index outbox_events_once_only_key;
         insert into outbox_events (id, event_type, aggregate_type, aggregate_id, payload)
         select gen_random_uuid(), event_type, aggregate_type, aggregate_id, payload
         from outbox_events",
        &["event_per_group"],
    ),
    (
        "update outbox_events set payload = jsonb_set(payload, '{vendor_order_ids}', '[]')",
        &["event_tells_its_group"],
    ),
    (
        "update outbox_events set payload = '\"no object\"'",
        &["event_tells_its_group"],
    ),
    (
        "update outbox_events set aggregate_id = gen_random_uuid()",
        &["event_per_group", "event_of_a_group"],
    ),
    (
        "update outbox_events set published_at = null, created_at = now() - interval '11 minutes'",
        &["event_published_in_time"],
    ),
    (
        "update idempotency_keys k set checkout_group_id = g.id
         from checkout_groups g where g.id <> k.checkout_group_id",
        &["key_of_its_buyer", "key_answers_with_its_group"],
    ),
    (
        "alter table idempotency_keys drop constraint idempotency_keys_checkout_group_fkey;
         update idempotency_keys set checkout_group_id = gen_random_uuid()",
        &[
            "key_of_its_buyer",
            "key_answers_with_its_group",
            "key_per_group",
        ],
    ),
    (
        r"update idempotency_keys set response_body = '\xff00'",
        &["key_answers_with_its_group"],
    ),
    (
        "update cart_put_keys set cart_id = gen_random_uuid()",
        &["key_of_a_cart"],
    ),
    ("delete from idempotency_keys", &["key_per_group"]),
    (
        "insert into idempotency_keys
         select user_id, store_id, method, path, key || '2', request_fingerprint, checkout_group_id,
            response_status, response_body, created_at, expires_at
         from idempotency_keys",
        &["key_per_group"],
    ),
];

/// Changes to a database with outcomes of shortage policies, each with the rules that it breaks.
const POLICY_FAULTS: &[(&str, &[&str])] = &[
    (
        "update order_line_items
             set rejection_detail = jsonb_set(rejection_detail, '{reserved_qty}', '9')
             where rejection_detail ? 'reserved_qty'",
        &["line_filled"],
    ),
    (
        "update order_line_items
             set rejection_detail = jsonb_set(rejection_detail, '{reserved_qty}', '3')
             where rejection_reason = 'insufficient_inventory'
                and not rejection_detail ? 'reserved_qty'",
        &["line_filled"],
    ),
    (
        "update order_line_items
             set rejection_detail = '{\"available_qty\": 99}'
             where rejection_reason = 'insufficient_inventory'
                and not rejection_detail ? 'reserved_qty'",
        &["line_filled"],
    ),
    (
        "update order_line_items
             set rejection_detail = rejection_detail - 'bought_qty'
             where rejection_detail ? 'limit_qty' and not rejection_detail ? 'reserved_qty'",
        &["line_filled"],
    ),
    (
        "update order_line_items
             set rejection_detail = jsonb_set(rejection_detail, '{bought_qty}', '1')
             where rejection_detail ? 'limit_qty' and not rejection_detail ? 'reserved_qty'",
        &["line_filled"],
    ),
    (
        "update order_line_items
             set rejection_detail = jsonb_set(rejection_detail, '{bought_qty}', '1')
             where rejection_detail ? 'limit_qty' and rejection_detail ? 'reserved_qty'",
        &["line_filled"],
    ),
    (
        "update order_line_items
             set rejection_reason = 'vendor_rejected',
                rejection_detail = rejection_detail || '{\"note\": \"Sold out.\"}'
             where rejection_detail ? 'limit_qty' and not rejection_detail ? 'reserved_qty'",
        &[
            "order_fits_its_lines",
            "line_filled",
            "payment_per_reserved_order",
        ],
    ),
    (
        "update products set buyer_limit_qty = 2, updated_at = now() - interval '2 hours'
             where buyer_limit_qty is not null",
        &["line_within_limit"],
    ),
    (
        "update products set buyer_limit_qty = 4, buyer_limit_days = 1,
                updated_at = now() - interval '2 days'
             where buyer_limit_qty is not null;
             update vendor_orders o set created_at = now() - interval '23 hours'
             from order_line_items l
             where l.order_id = o.id and l.qty = 4 and l.status = 'pending'",
        &["line_within_limit"],
    ),
    (
        "update order_line_items
             set rejection_reason = 'vendor_order_incomplete', rejection_detail = null
             where rejection_reason = 'insufficient_inventory'
                and not rejection_detail ? 'reserved_qty'",
        &["line_withheld"],
    ),
    (
        "update order_line_items
             set status = 'pending', rejection_reason = null
             where rejection_reason = 'vendor_order_incomplete';
             update order_line_items
             set rejection_reason = 'vendor_order_incomplete', rejection_detail = null
             where rejection_reason = 'insufficient_inventory'
                and not rejection_detail ? 'reserved_qty'",
        &[
            "stock_reserved_by_lines",
            "order_figures",
            "order_rejected_if_empty",
            "line_withheld",
            "payment_per_reserved_order",
        ],
    ),
];

/// Changes that leave a database sound.
const NO_FAULTS: &[&str] = &[
    "update outbox_events set published_at = null, created_at = now() - interval '9 minutes'",
    "with dead as (delete from outbox_events returning *)
     insert into outbox_dead_letters (id, event_type, aggregate_type, aggregate_id, payload,
        created_at, attempts, next_attempt_at, reason)
     select id, event_type, aggregate_type, aggregate_id, payload, created_at, 8, next_attempt_at,
        'max_attempts'
     from dead",
    // The keys of old checkouts have expired, and the sweeper has removed them.
    "update checkout_groups set created_at = now() - interval '2 days';
     delete from idempotency_keys",
    "update payment_intents set status = 'paid';
     update vendor_orders set balance_due = 0",
    "update order_line_items set status = 'accepted';
     update vendor_orders set status = 'accepted'",
    // Fulfilled by a system behind this one, before orders were moved by the service.
    "update order_line_items set status = 'fulfilled', updated_at = now() - interval '9 days';
     update vendor_orders set status = 'fulfilled', updated_at = now() - interval '9 days';
     update inventory_items set reserved_qty = 0",
    "update products set price = price + 1, title = 'Another name'",
    // Foreign events do not concern the audit while they are published in time.
    "insert into outbox_events (id, event_type, aggregate_type, aggregate_id, payload)
     values (gen_random_uuid(), 'store_renamed', 'store', gen_random_uuid(), '{}')",
];

#[tokio::test]
async fn every_rule_finds_the_fault_that_is_planted_for_it() {
    let mut planted_for = BTreeSet::new();
    for (world, faults) in [
        (world_with_two_checkouts().await, FAULTS),
        (world_of_policies().await, POLICY_FAULTS),
        (moves::world_of_moves().await, moves::FAULTS),
    ] {
        for (fault, rules) in faults {
            let mut transaction = world.market.database.pool.begin().await.unwrap();

            let broken = broken_by(fault, &mut transaction).await;

            assert_eq!(broken, rules.to_vec(), "{fault}");
            transaction.rollback().await.unwrap();
            planted_for.extend(broken);
        }
        assert_consistent(&world.market.database).await;
    }
    let rules: BTreeSet<_> = db::audit::rules().map(|rule| rule.code).collect();
    assert_eq!(planted_for, rules, "a rule without a fault is untested");
}

/// Changes that leave a database with outcomes of purchase limits sound.
const NO_POLICY_FAULTS: &[&str] = &[
    // A limit that is younger than the orders.
    "update products set buyer_limit_qty = 2, updated_at = now() where buyer_limit_qty is not null",
    "update products set buyer_limit_qty = 2, updated_at = now() - interval '50 minutes'
     where buyer_limit_qty is not null",
    // No two of the buyer's orders are within the days of the limit.
    "update products set buyer_limit_qty = 4, buyer_limit_days = 1,
        updated_at = now() - interval '9 days'
     where buyer_limit_qty is not null;
     update vendor_orders o set created_at = now() - interval '1 day 1 minute'
     from order_line_items l
     where l.order_id = o.id and l.qty = 4 and l.status = 'pending'",
];

#[tokio::test]
async fn what_may_happen_to_a_sound_database_breaks_no_rule() {
    for (world, changes) in [
        (world_with_two_checkouts().await, NO_FAULTS),
        (moves::world_of_moves().await, moves::NO_FAULTS),
        (world_of_policies().await, NO_POLICY_FAULTS),
    ] {
        for change in changes {
            let mut transaction = world.market.database.pool.begin().await.unwrap();

            let broken = broken_by(change, &mut transaction).await;

            assert!(broken.is_empty(), "{change}: {broken:?}");
            transaction.rollback().await.unwrap();
        }
    }
}

#[test]
fn every_rule_has_a_short_code_of_its_group_and_a_sentence_of_its_own() {
    let rules: Vec<_> = db::audit::rules().collect();
    let codes: BTreeSet<_> = rules.iter().map(|rule| rule.code).collect();
    let sentences: BTreeSet<_> = rules.iter().map(|rule| rule.sentence).collect();
    assert_eq!((codes.len(), sentences.len()), (rules.len(), rules.len()));
    let groups = ["stock", "group", "order", "line", "payment", "event", "key"];
    let group_of = |code: &str| groups.iter().position(|it| code.starts_with(*it));
    let in_order: Vec<_> = rules.iter().map(|rule| group_of(rule.code)).collect();
    assert!(in_order.iter().all(Option::is_some) && in_order.is_sorted());
    assert!(
        codes.iter().all(|code| code.len() <= 26),
        "the bar is narrow"
    );
}

#[test]
fn the_operators_page_lists_every_rule() {
    let page = include_str!("../../../docs/audit.md");
    for rule in db::audit::rules() {
        let row = format!("| `{}` | {} |\n", rule.code, rule.sentence);
        assert!(page.contains(&row), "docs/audit.md lacks {row}");
    }
}

/// Two buyers have bought from one vendor; a second vendor has sold nothing. No server runs.
async fn world_with_two_checkouts() -> World {
    let mut world = World::start().await;
    let product = world.market.sold_product(500, 100).await;
    world.market.vendor().await;
    let carts = vec![cart_of(&[(product, 2)]); 2];
    for shopper in Shopper::with_carts(&world.market, &world.server, &carts).await {
        assert_eq!(shopper.check_out().await.status, 201);
    }
    world.server.terminate();
    world.server.ended().await;
    assert_consistent(&world.market.database).await;
    world
}

/// The rules that a change breaks, in the audit's order.
async fn broken_by(change: &'static str, connection: &mut PgConnection) -> Vec<&'static str> {
    sqlx::raw_sql(AssertSqlSafe(change))
        .execute(&mut *connection)
        .await
        .unwrap_or_else(|error| panic!("{change}: {error}"));
    let report = check_all(connection, PATIENT, &|_| {}).await.unwrap();
    report.findings().map(|finding| finding.rule.code).collect()
}

/// A line that was filled, one that was short, one that was withheld; of a buyer with a purchase limit of
/// five a line of four, the rest of a line and a line that was rejected. No server runs.
async fn world_of_policies() -> World {
    let mut world = World::start().await;
    let market = &world.market;
    let filled = market.sold_product(500, 10).await;
    let vendor = market.vendor().await;
    let short = market.product(vendor, 500, 10).await;
    let withheld = market.product(vendor, 500, 10).await;
    for (policy, lines) in [
        ("fill", vec![(filled, 10)]),
        ("reject_vendor", vec![(short, 5), (withheld, 5)]),
    ] {
        let cart = cart_of(&lines);
        let shopper = Shopper::with_cart(market, &world.server, &cart).await;
        market.stock(lines[0].0, 3).await;
        let body = json!({ "cart_id": shopper.cart_id, "shortage_policy": policy });
        let request = shopper.client.checkout_request(&shopper.key, &body);
        assert_eq!(Client::send(request).await.status, 201);
    }
    let limited = market.sold_product(500, 100).await;
    let limit = format!(
        "update products set buyer_limit_qty = 5, updated_at = now() - interval '2 hours'
         where id = '{}'",
        limited.id
    );
    market.database.run(&limit).await;
    let client = world.server.client(&market.buyer().await);
    for (qty, policy) in [(4, "fill"), (2, "fill"), (3, "reject_line")] {
        let cart_id = client.freeze(&cart_of(&[(limited, qty)])).await;
        let body = json!({ "cart_id": cart_id, "shortage_policy": policy });
        let request = client.checkout_request(&fresh_key(), &body);
        assert_eq!(Client::send(request).await.status, 201);
    }
    world.server.terminate();
    world.server.ended().await;
    assert_consistent(&world.market.database).await;
    world
}
