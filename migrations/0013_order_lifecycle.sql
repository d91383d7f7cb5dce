-- What becomes of a reserved unit after the checkout (docs/orders.md): decided, fulfilled, canceled or
-- expired, and counted by its vendor. Everything here is added beside what the previous version uses.
-- Constraints that old rows satisfy already are `not valid`, so that nobody waits for a look at all of
-- them; the next migration takes that look.

-- Units that have left, and the changes by counts and imports (reservations don't count).
alter table inventory_items
    add column fulfilled_qty bigint not null default 0
        constraint inventory_items_fulfilled_not_negative check (fulfilled_qty >= 0),
    add column version bigint not null default 0
        constraint inventory_items_version_not_negative check (version >= 0);

-- How many a buyer store may have reserved or bought of a product within so many days; without
-- buyer_limit_days, ever.
alter table products
    add column buyer_limit_qty integer
        constraint products_buyer_limit_qty_positive check (buyer_limit_qty > 0),
    add column buyer_limit_days integer
        constraint products_buyer_limit_days_in_range check (buyer_limit_days between 1 and 3650),
    add constraint products_buyer_limit_days_only_with_qty
        check (buyer_limit_days is null or buyer_limit_qty is not null);

alter table vendor_orders
    drop constraint vendor_orders_rejection_reason_known,
    add constraint vendor_orders_rejection_reason_known check (rejection_reason in
        ('vendor_license_invalid', 'vendor_subscription_inactive', 'vendor_state_mismatch',
         'no_line_reserved', 'vendor_rejected')) not valid;

alter table order_line_items
    drop constraint order_line_items_rejection_reason_known,
    add constraint order_line_items_rejection_reason_known check (rejection_reason in
        ('insufficient_inventory', 'product_unavailable', 'vendor_license_invalid',
         'vendor_subscription_inactive', 'vendor_state_mismatch', 'vendor_order_incomplete',
         'vendor_rejected', 'order_canceled', 'order_expired', 'purchase_limit_reached')) not valid;

-- The person who caused an event, and their store. Null for what the service does by itself, and for
-- order_created, whose actor is in its checkout group.
alter table outbox_events
    add column actor_user_id uuid,
    add column actor_store_id uuid;
alter table outbox_dead_letters
    add column actor_user_id uuid,
    add column actor_store_id uuid;

-- An order ends once.
create unique index outbox_events_order_ends_once_key
    on outbox_events (aggregate_id)
    where event_type in ('order_fulfilled', 'order_canceled', 'order_expired');

-- Whether an earlier event of an order is still to be published. Events of checkouts are not in it.
create index outbox_events_unpublished_of_orders_idx
    on outbox_events (aggregate_id, created_at)
    where published_at is null and aggregate_type = 'vendor_order';

-- The first answers of stock counts, in the form of cart_put_keys (0011) and for its reasons: an answer
-- about a thousand products is long, and no other row refers to it.
create table inventory_keys (
    scope               uuid        constraint inventory_keys_pkey primary key,
    request_fingerprint bytea       not null,
    response_body       bytea       not null,
    created_at          timestamptz not null default now(),
    expires_at          timestamptz not null,
    constraint inventory_keys_expires_later check (expires_at > created_at)
);

create index inventory_keys_expires_idx on inventory_keys (expires_at);

-- It was compressed already.
alter table inventory_keys alter response_body set storage external;

-- How far the orders that wait for a decision have been looked through, by their ids, which ascend with
-- time. An index of the waiting orders would cost every checkout; this row costs none.
create table expiry_progress (
    is_the_row boolean     not null default true constraint expiry_progress_pkey primary key
               constraint expiry_progress_one_row check (is_the_row),
    walked_to  uuid        not null,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now()
);
insert into expiry_progress (walked_to) values ('00000000-0000-0000-0000-000000000000');
