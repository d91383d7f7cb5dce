//! One good row in every table (two stores), which the cases copy or change.

use crate::support::Database;

/// A migrated database with the rows in it.
pub async fn database() -> Database {
    let database = Database::create().await;
    database.run(ROWS).await;
    database
}

/// Ids are the table's number, repeated; a store has the number 2 (buyer) or 3 (vendor).
const ROWS: &str = "
insert into users (id, email, email_folded)
values ('10000000-0000-7000-8000-000000000000', 'a@example.com', 'a@example.com');

insert into stores (id, type, name, state, kyc_status) values
    ('20000000-0000-7000-8000-000000000000', 'buyer', 'Buyer', 'OK', 'verified'),
    ('30000000-0000-7000-8000-000000000000', 'vendor', 'Vendor', 'OK', 'verified');

insert into store_memberships (id, store_id, user_id, role)
select gen_random_uuid(), s.id, u.id, 'owner' from stores s, users u where s.type = 'buyer';

insert into licenses (id, store_id, number, type, issuing_state)
select gen_random_uuid(), id, 'L-1', 'grower', 'OK' from stores where type = 'vendor';

insert into subscriptions (id, vendor_store_id, status, current_period_end)
select gen_random_uuid(), id, 'active', now() from stores where type = 'vendor';

insert into products (id, vendor_store_id, sku, title, price)
select gen_random_uuid(), id, 'S-1', 'Product', 10 from stores where type = 'vendor';

insert into product_volume_discounts (id, product_id, min_qty, discount_percent)
select gen_random_uuid(), id, 10, 5 from products;

insert into store_discounts (id, vendor_store_id, code, code_folded, kind, value, ends_at)
select gen_random_uuid(), id, 'SPRING', 'spring', 'percentage', 10, now() + interval '1 day'
from stores where type = 'vendor';

insert into inventory_items (product_id, vendor_store_id, available_qty)
select id, vendor_store_id, 10 from products;

insert into cart_records (id, buyer_store_id, created_by, subtotal, discount_total, total)
select gen_random_uuid(), s.id, u.id, 100, 5, 95 from stores s, users u where s.type = 'buyer';

insert into cart_items (
    id, cart_id, position, product_id, vendor_store_id, sku, title, unit, qty, moq, max_qty,
    list_price, volume_discount_min_qty, volume_discount_percent, unit_price, line_subtotal,
    line_discount, line_total)
select
    gen_random_uuid(), c.id, 0, p.id, p.vendor_store_id, 'S-1', 'Product', 'unit', 10, 1, 20,
    10, 10, 5, 9.50, 100, 5, 95
from cart_records c, products p;

insert into cart_vendor_discounts (id, cart_id, vendor_store_id, code, title, kind, value, amount)
select gen_random_uuid(), c.id, s.id, 'SPRING', '', 'percentage', 10, 9.50
from cart_records c, stores s where s.type = 'vendor';

insert into checkout_groups (
    id, buyer_store_id, cart_id, created_by, subtotal, discount_total, total)
select gen_random_uuid(), buyer_store_id, id, created_by, 100, 5, 95 from cart_records;

insert into vendor_orders (
    id, checkout_group_id, buyer_store_id, vendor_store_id, status, subtotal, discount_total, total,
    balance_due)
select gen_random_uuid(), g.id, g.buyer_store_id, s.id, 'created_pending', 100, 5, 95, 95
from checkout_groups g, stores s where s.type = 'vendor';

insert into order_line_items (
    id, order_id, checkout_group_id, position, product_id, sku, title, unit, qty, list_price,
    unit_price, discount, total, status)
select
    gen_random_uuid(), o.id, o.checkout_group_id, 0, p.id, 'S-1', 'Product', 'unit', 10, 10,
    9.50, 5, 95, 'pending'
from vendor_orders o, products p;

insert into payment_intents (id, order_id, amount)
select gen_random_uuid(), id, 95 from vendor_orders;

insert into idempotency_keys (
    user_id, store_id, method, path, key, request_fingerprint, checkout_group_id, response_status,
    response_body, expires_at)
select
    created_by, buyer_store_id, 'POST', '/api/v1/checkout', 'key', '', id, 201, '',
    now() + interval '7 days'
from checkout_groups;

insert into cart_put_keys (scope, cart_id, request_fingerprint, response_body, expires_at)
select gen_random_uuid(), id, '', '', now() + interval '1 day' from cart_records;

insert into inventory_keys (scope, request_fingerprint, response_body, expires_at)
values (gen_random_uuid(), '', '', now() + interval '1 day');

insert into outbox_events (id, event_type, aggregate_type, aggregate_id, payload)
select gen_random_uuid(), 'order_created', 'checkout_group', id, '{}' from checkout_groups;

insert into outbox_events (id, event_type, aggregate_type, aggregate_id, payload)
select gen_random_uuid(), 'order_canceled', 'vendor_order', id, '{}' from checkout_groups;

insert into outbox_dead_letters (
    id, event_type, aggregate_type, aggregate_id, payload, created_at, attempts, next_attempt_at,
    reason)
select
    gen_random_uuid(), event_type, aggregate_type, aggregate_id, payload, now(), 9, now(),
    'max_attempts'
from outbox_events;

insert into outbox_sinks (name, position) values ('follower', 0);

insert into outbox_backlog (sink, seq, event_id, aggregate_id)
values ('follower', 1, gen_random_uuid(), gen_random_uuid());
";
