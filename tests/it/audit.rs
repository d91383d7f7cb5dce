//! The audit that ends the tests of crowds and faults finds what it is there to find.

use sqlx::AssertSqlSafe;

use crate::support::{Shopper, World, assert_consistent, audit::findings, market::cart_of};

/// What is done to a sound database, and the rules that this breaks (their beginnings).
const PLANTED: &[(&str, &[&str])] = &[
    (
        "alter table inventory_items drop constraint inventory_items_available_not_negative;
         update inventory_items set available_qty = -1",
        &["stock is never negative"],
    ),
    (
        "update inventory_items set reserved_qty = reserved_qty + 1",
        &["what is reserved of a product"],
    ),
    (
        "update cart_records set status = 'active', converted_at = null",
        &["a cart is converted"],
    ),
    (
        "update checkout_groups set currency = 'CAD'",
        &["a group belongs to the buyer"],
    ),
    (
        "insert into vendor_orders (id, checkout_group_id, buyer_store_id, vendor_store_id, status,
            subtotal, discount_total, total, balance_due)
         select gen_random_uuid(), g.id, g.buyer_store_id, s.id, 'rejected', 0, 0, 0, 0
         from checkout_groups g, stores s
         where s.type = 'vendor' and s.id not in (select vendor_store_id from vendor_orders)",
        &["a group has one order for each vendor", "each group is announced"],
    ),
    (
        "update order_line_items set position = position + 5",
        &["the lines of a group are the lines of its cart"],
    ),
    (
        "update order_line_items l set checkout_group_id = g.id
         from checkout_groups g
         where g.id <> l.checkout_group_id and g.id = (select max(id::text)::uuid from checkout_groups)",
        &["a line belongs to the group"],
    ),
    (
        "update vendor_orders set subtotal = subtotal + 1, discount_total = discount_total + 1",
        &["an order's figures", "a group's figures"],
    ),
    ("delete from payment_intents", &["an order is to be paid"]),
    (
        "update outbox_events set payload = jsonb_set(payload, '{vendor_order_ids}', '[]')",
        &["each group is announced"],
    ),
    (
        "update outbox_events set aggregate_id = gen_random_uuid()",
        &["each group is announced", "nothing is announced"],
    ),
    (
        "update idempotency_keys k set checkout_group_id = g.id
         from checkout_groups g where g.id <> k.checkout_group_id",
        &["an idempotency key answers"],
    ),
    ("delete from idempotency_keys", &["each group was bought under"]),
];

#[tokio::test]
async fn the_audit_finds_every_fault_that_is_planted() {
    let world = World::start().await;
    let product = world.market.sold_product(500, 100).await;
    world.market.vendor().await;
    let carts = vec![cart_of(&[(product, 2)]); 2];
    for shopper in Shopper::with_carts(&world.market, &world.server, &carts).await {
        assert_eq!(shopper.check_out().await.status, 201);
    }
    assert_consistent(&world.market.database).await;
    for (planted, broken) in PLANTED {
        let mut transaction = world.market.database.pool.begin().await.unwrap();
        sqlx::raw_sql(AssertSqlSafe(*planted))
            .execute(&mut *transaction)
            .await
            .unwrap_or_else(|error| panic!("{planted}: {error}"));

        let found = findings(&mut transaction).await;

        let rules: Vec<_> = broken
            .iter()
            .filter(|rule| !found.iter().any(|finding| finding.starts_with(**rule)))
            .collect();
        assert!(rules.is_empty(), "{planted}: {rules:?} not in {found:?}");
        assert_eq!(found.len(), broken.len(), "{planted}: {found:?}");
        transaction.rollback().await.unwrap();
    }
}
