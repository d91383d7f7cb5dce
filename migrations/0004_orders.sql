-- What was bought (PF-077). Nothing here is ever deleted by a cascade.

create table checkout_groups (
    id             uuid          constraint checkout_groups_pkey primary key,
    buyer_store_id uuid          not null
                   constraint checkout_groups_buyer_store_fkey references stores,
    cart_id        uuid          not null constraint checkout_groups_cart_fkey references cart_records,
    created_by     uuid          not null constraint checkout_groups_created_by_fkey references users,
    currency       char(3)       not null default 'USD'
                   constraint checkout_groups_currency_three_capitals
                   check (currency ~ '^[A-Z]{3}$'),
    subtotal       numeric(14,2) not null
                   constraint checkout_groups_subtotal_not_negative check (subtotal >= 0),
    discount_total numeric(14,2) not null
                   constraint checkout_groups_discount_total_not_negative
                   check (discount_total >= 0),
    total          numeric(14,2) not null
                   constraint checkout_groups_total_not_negative check (total >= 0),
    created_at     timestamptz   not null default now(),
    -- A cart is bought at most once, whoever asks and however often.
    constraint checkout_groups_cart_key unique (cart_id),
    constraint checkout_groups_total_adds_up check (total = subtotal - discount_total)
);

create index checkout_groups_buyer_created_idx
    on checkout_groups (buyer_store_id, created_at desc);

create table vendor_orders (
    id                uuid          constraint vendor_orders_pkey primary key,
    checkout_group_id uuid          not null
                      constraint vendor_orders_checkout_group_fkey references checkout_groups,
    buyer_store_id    uuid          not null
                      constraint vendor_orders_buyer_store_fkey references stores,
    vendor_store_id   uuid          not null
                      constraint vendor_orders_vendor_store_fkey references stores,
    status            text          not null
                      constraint vendor_orders_status_known check (status in
                          ('created_pending', 'accepted', 'partially_accepted', 'rejected',
                           'fulfilled', 'hold', 'in_transit', 'delivered', 'closed', 'canceled',
                           'expired')),
    currency          char(3)       not null default 'USD'
                      constraint vendor_orders_currency_three_capitals
                      check (currency ~ '^[A-Z]{3}$'),
    subtotal          numeric(14,2) not null
                      constraint vendor_orders_subtotal_not_negative check (subtotal >= 0),
    discount_total    numeric(14,2) not null
                      constraint vendor_orders_discount_total_not_negative
                      check (discount_total >= 0),
    total             numeric(14,2) not null
                      constraint vendor_orders_total_not_negative check (total >= 0),
    balance_due       numeric(14,2) not null
                      constraint vendor_orders_balance_due_not_negative check (balance_due >= 0),
    rejection_reason  text
                      constraint vendor_orders_rejection_reason_known check (rejection_reason in
                          ('vendor_license_invalid', 'vendor_subscription_inactive',
                           'vendor_state_mismatch', 'no_line_reserved')),
    created_at        timestamptz   not null default now(),
    updated_at        timestamptz   not null default now(),
    constraint vendor_orders_group_vendor_key unique (checkout_group_id, vendor_store_id),
    constraint vendor_orders_buyer_is_not_vendor check (buyer_store_id <> vendor_store_id),
    constraint vendor_orders_total_adds_up check (total = subtotal - discount_total),
    constraint vendor_orders_reason_only_when_rejected
        check (rejection_reason is null or status = 'rejected')
);

create index vendor_orders_vendor_created_idx on vendor_orders (vendor_store_id, created_at desc);
create index vendor_orders_buyer_created_idx on vendor_orders (buyer_store_id, created_at desc);

create table order_line_items (
    id                uuid          constraint order_line_items_pkey primary key,
    order_id          uuid          not null
                      constraint order_line_items_order_fkey references vendor_orders,
    checkout_group_id uuid          not null
                      constraint order_line_items_checkout_group_fkey references checkout_groups,
    position          integer       not null
                      constraint order_line_items_position_not_negative check (position >= 0),
    product_id        uuid          not null
                      constraint order_line_items_product_fkey references products,
    sku               text          not null,
    title             text          not null,
    unit              text          not null
                      constraint order_line_items_unit_known check (unit in
                          ('unit', 'gram', 'ounce', 'pound', 'eighth', 'sixteenth')),
    qty               integer       not null
                      constraint order_line_items_qty_positive check (qty > 0),
    list_price        numeric(14,2) not null
                      constraint order_line_items_list_price_not_negative check (list_price >= 0),
    unit_price        numeric(14,2) not null
                      constraint order_line_items_unit_price_in_range
                      check (unit_price >= 0 and unit_price <= list_price),
    discount          numeric(14,2) not null
                      constraint order_line_items_discount_not_negative check (discount >= 0),
    total             numeric(14,2) not null
                      constraint order_line_items_total_not_negative check (total >= 0),
    status            text          not null
                      constraint order_line_items_status_known check (status in
                          ('pending', 'accepted', 'rejected', 'fulfilled', 'hold')),
    rejection_reason  text
                      constraint order_line_items_rejection_reason_known check (rejection_reason in
                          ('insufficient_inventory', 'product_unavailable',
                           'vendor_license_invalid', 'vendor_subscription_inactive',
                           'vendor_state_mismatch')),
    rejection_detail  jsonb,
    created_at        timestamptz   not null default now(),
    updated_at        timestamptz   not null default now(),
    constraint order_line_items_reason_iff_rejected
        check ((status = 'rejected') = (rejection_reason is not null)),
    constraint order_line_items_detail_only_when_rejected
        check (rejection_detail is null or status = 'rejected')
);

create index order_line_items_order_idx on order_line_items (order_id);

create table payment_intents (
    id         uuid          constraint payment_intents_pkey primary key,
    order_id   uuid          not null constraint payment_intents_order_fkey references vendor_orders,
    method     text          not null default 'cash'
               constraint payment_intents_method_known check (method in ('cash', 'ach')),
    status     text          not null default 'unpaid'
               constraint payment_intents_status_known check (status in
                   ('unpaid', 'pending', 'settled', 'paid', 'failed')),
    amount     numeric(14,2) not null
               constraint payment_intents_amount_not_negative check (amount >= 0),
    created_at timestamptz   not null default now(),
    updated_at timestamptz   not null default now(),
    constraint payment_intents_order_key unique (order_id)
);
