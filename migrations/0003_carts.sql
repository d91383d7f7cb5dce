-- The frozen cart: a snapshot of price, tier, MOQ and store discount as they stood at PUT time
-- (PF-074). Checkout honours these figures, not the catalogue's.

create table cart_records (
    id               uuid          constraint cart_records_pkey primary key,
    buyer_store_id   uuid          not null
                     constraint cart_records_buyer_store_fkey references stores,
    created_by       uuid          not null constraint cart_records_created_by_fkey references users,
    status           text          not null default 'active'
                     constraint cart_records_status_known check (status in ('active', 'converted')),
    currency         char(3)       not null default 'USD'
                     constraint cart_records_currency_three_capitals
                     check (currency ~ '^[A-Z]{3}$'),
    subtotal         numeric(14,2) not null
                     constraint cart_records_subtotal_not_negative check (subtotal >= 0),
    discount_total   numeric(14,2) not null
                     constraint cart_records_discount_total_not_negative
                     check (discount_total >= 0),
    total            numeric(14,2) not null
                     constraint cart_records_total_not_negative check (total >= 0),
    shipping_address jsonb,
    converted_at     timestamptz,
    version          integer       not null default 1
                     constraint cart_records_version_positive check (version >= 1),
    created_at       timestamptz   not null default now(),
    updated_at       timestamptz   not null default now(),
    constraint cart_records_total_adds_up check (total = subtotal - discount_total),
    constraint cart_records_converted_at_with_status
        check ((status = 'converted') = (converted_at is not null))
);

-- One active cart per buyer; also what a parallel first PUT runs into.
create unique index cart_records_one_active_per_buyer
    on cart_records (buyer_store_id) where status = 'active';

create table cart_items (
    id                      uuid          constraint cart_items_pkey primary key,
    cart_id                 uuid          not null constraint cart_items_cart_fkey
                            references cart_records on delete cascade,
    position                integer       not null
                            constraint cart_items_position_not_negative check (position >= 0),
    product_id              uuid          not null
                            constraint cart_items_product_fkey references products,
    vendor_store_id         uuid          not null
                            constraint cart_items_vendor_store_fkey references stores,
    sku                     text          not null,
    title                   text          not null,
    unit                    text          not null
                            constraint cart_items_unit_known check (unit in
                                ('unit', 'gram', 'ounce', 'pound', 'eighth', 'sixteenth')),
    image_url               text,
    qty                     integer       not null
                            constraint cart_items_qty_positive check (qty > 0),
    moq                     integer       not null
                            constraint cart_items_moq_positive check (moq >= 1),
    max_qty                 integer
                            constraint cart_items_max_qty_positive check (max_qty >= 1),
    list_price              numeric(14,2) not null
                            constraint cart_items_list_price_not_negative check (list_price >= 0),
    volume_discount_min_qty integer
                            constraint cart_items_volume_discount_min_qty_positive
                            check (volume_discount_min_qty >= 1),
    volume_discount_percent numeric(7,4)
                            constraint cart_items_volume_discount_percent_in_range
                            check (volume_discount_percent > 0 and volume_discount_percent <= 100),
    unit_price              numeric(14,2) not null
                            constraint cart_items_unit_price_in_range
                            check (unit_price >= 0 and unit_price <= list_price),
    line_subtotal           numeric(14,2) not null
                            constraint cart_items_line_subtotal_not_negative
                            check (line_subtotal >= 0),
    line_discount           numeric(14,2) not null
                            constraint cart_items_line_discount_not_negative
                            check (line_discount >= 0),
    line_total              numeric(14,2) not null
                            constraint cart_items_line_total_not_negative check (line_total >= 0),
    created_at              timestamptz   not null default now(),
    updated_at              timestamptz   not null default now(),
    constraint cart_items_cart_product_key unique (cart_id, product_id),
    constraint cart_items_volume_discount_whole check (
        (volume_discount_min_qty is null) = (volume_discount_percent is null)),
    constraint cart_items_line_total_adds_up check (line_total = line_subtotal - line_discount)
);

create table cart_vendor_discounts (
    id              uuid          constraint cart_vendor_discounts_pkey primary key,
    cart_id         uuid          not null constraint cart_vendor_discounts_cart_fkey
                    references cart_records on delete cascade,
    vendor_store_id uuid          not null
                    constraint cart_vendor_discounts_vendor_store_fkey references stores,
    code            text          not null,
    title           text          not null,
    kind            text          not null
                    constraint cart_vendor_discounts_kind_known
                    check (kind in ('percentage', 'fixed')),
    value           numeric(14,4) not null
                    constraint cart_vendor_discounts_value_fits_kind check (
                        value >= 0 and case kind
                            when 'percentage' then value <= 100
                            else value = round(value, 2)
                        end),
    amount          numeric(14,2) not null
                    constraint cart_vendor_discounts_amount_not_negative check (amount >= 0),
    created_at      timestamptz   not null default now(),
    updated_at      timestamptz   not null default now(),
    constraint cart_vendor_discounts_cart_vendor_key unique (cart_id, vendor_store_id)
);
