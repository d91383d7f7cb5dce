-- The textbook checkout: one transaction, sixteen statements, written as one would write it first,
-- with the same rows as ours in the same tables. pgbench drives it straight into the database, so it
-- pays for no HTTP, no tokens and no Redis. `make bench-compare` runs it; by hand:
--
--   pgbench -n -M prepared -f crates/loadtest/textbook.sql -c 64 -j 1 -t 100 \
--           -D clients=64 -D turn=0 -D body=… splitcart
--
-- Its carts stand in textbook_carts (nr, cart_id), numbered from 1 (see src/compare/textbook.rs).
-- A variable keeps its value from one run of the script to the next, so each client walks over
-- carts of its own. Stock is never short here: what a textbook does then is not our concern.
\set nr :turn * :clients + :client_id + 1
\set turn :turn + 1
begin;
select c.id as cart, c.buyer_store_id as buyer, c.created_by as person, c.currency,
    c.subtotal, c.discount_total, c.total
from textbook_carts t
join cart_records c on c.id = t.cart_id
where t.nr = :nr and c.status = 'active'
for update of c \gset
select count(*) as known
from idempotency_keys
where user_id = :person and store_id = :buyer and method = 'POST' and path = '/api/v1/checkout'
    and key = :cart \gset
-- As one row, because that is what pgbench can take. In ascending product, so that no two lock each
-- other out.
select
    i[1].product_id as product1, i[1].vendor_store_id as vendor1, i[1].sku as sku1,
    i[1].title as title1, i[1].unit as unit1, i[1].qty as qty1, i[1].list_price as list1,
    i[1].unit_price as price1, i[1].line_subtotal as subtotal1, i[1].line_discount as off1,
    i[1].line_total as total1,
    i[2].product_id as product2, i[2].vendor_store_id as vendor2, i[2].sku as sku2,
    i[2].title as title2, i[2].unit as unit2, i[2].qty as qty2, i[2].list_price as list2,
    i[2].unit_price as price2, i[2].line_subtotal as subtotal2, i[2].line_discount as off2,
    i[2].line_total as total2,
    i[3].product_id as product3, i[3].vendor_store_id as vendor3, i[3].sku as sku3,
    i[3].title as title3, i[3].unit as unit3, i[3].qty as qty3, i[3].list_price as list3,
    i[3].unit_price as price3, i[3].line_subtotal as subtotal3, i[3].line_discount as off3,
    i[3].line_total as total3
from (
    select array_agg(i order by i.product_id) as i
    from cart_items i
    join products p on p.id = i.product_id and p.is_active
    where i.cart_id = :cart
) as items \gset
select count(*) as eligible
from stores s
join licenses l on l.store_id = s.id and l.status = 'verified' and l.issuing_state = s.state
    and (l.expires_on is null or l.expires_on >= current_date)
left join subscriptions u on u.vendor_store_id = s.id
where s.id in (:buyer, :vendor1, :vendor2, :vendor3)
    and s.kyc_status = 'verified'
    and (s.type = 'buyer' or u.status in ('trialing', 'active') and u.current_period_end > now()) \gset
update inventory_items
set available_qty = available_qty - :qty1, reserved_qty = reserved_qty + :qty1, updated_at = now()
where product_id = :product1 and available_qty >= :qty1;
update inventory_items
set available_qty = available_qty - :qty2, reserved_qty = reserved_qty + :qty2, updated_at = now()
where product_id = :product2 and available_qty >= :qty2;
update inventory_items
set available_qty = available_qty - :qty3, reserved_qty = reserved_qty + :qty3, updated_at = now()
where product_id = :product3 and available_qty >= :qty3;
insert into checkout_groups (
    id, buyer_store_id, cart_id, created_by, currency, subtotal, discount_total, total)
values (textbook_id(), :buyer, :cart, :person, :currency, :subtotal, :discount_total, :total)
returning id as checkout_group \gset
insert into vendor_orders (
    id, checkout_group_id, buyer_store_id, vendor_store_id, status, currency, subtotal,
    discount_total, total, balance_due)
values
    (textbook_id(), :checkout_group, :buyer, :vendor1, 'created_pending', :currency,
        :subtotal1, :off1, :total1, :total1),
    (textbook_id(), :checkout_group, :buyer, :vendor2, 'created_pending', :currency,
        :subtotal2, :off2, :total2, :total2),
    (textbook_id(), :checkout_group, :buyer, :vendor3, 'created_pending', :currency,
        :subtotal3, :off3, :total3, :total3);
insert into order_line_items (
    id, order_id, checkout_group_id, position, product_id, sku, title, unit, qty, list_price,
    unit_price, discount, total, status)
select
    textbook_id(), o.id, o.checkout_group_id, l.position, l.product_id, l.sku, l.title, l.unit,
    l.qty, l.list_price, l.unit_price, l.discount, l.total, 'pending'
from (values
    (:vendor1::uuid, 0, :product1::uuid, :sku1, :title1, :unit1, :qty1::integer, :list1::numeric,
        :price1::numeric, :off1::numeric, :total1::numeric),
    (:vendor2, 1, :product2, :sku2, :title2, :unit2, :qty2, :list2, :price2, :off2, :total2),
    (:vendor3, 2, :product3, :sku3, :title3, :unit3, :qty3, :list3, :price3, :off3, :total3)
) as l (
    vendor_store_id, position, product_id, sku, title, unit, qty, list_price, unit_price, discount,
    total)
join vendor_orders o
    on o.checkout_group_id = :checkout_group and o.vendor_store_id = l.vendor_store_id;
insert into payment_intents (id, order_id, method, status, amount)
select textbook_id(), o.id, 'cash', 'unpaid', o.total
from vendor_orders o
where o.checkout_group_id = :checkout_group;
update cart_records
set status = 'converted', converted_at = now(), updated_at = now()
where id = :cart;
insert into outbox_events (id, event_type, aggregate_type, aggregate_id, payload)
select
    textbook_id(), 'order_created', 'checkout_group', :checkout_group,
    jsonb_build_object(
        'checkout_group_id', :checkout_group::uuid, 'buyer_store_id', :buyer::uuid,
        'vendor_order_ids', jsonb_agg(o.id order by o.vendor_store_id))
from vendor_orders o
where o.checkout_group_id = :checkout_group;
insert into idempotency_keys (
    user_id, store_id, method, path, key, request_fingerprint, checkout_group_id, response_status,
    response_body, expires_at)
values (
    :person, :buyer, 'POST', '/api/v1/checkout', :cart, sha256(:cart::bytea), :checkout_group, 201,
    convert_to(:body, 'UTF8'), now() + interval '7 days');
commit;
