-- What is sold, at which price, and how much of it there is.

create table products (
    id              uuid          constraint products_pkey primary key,
    vendor_store_id uuid          not null
                    constraint products_vendor_store_fkey references stores,
    sku             text          not null,
    title           text          not null,
    category        text          not null default '',
    unit            text          not null default 'unit'
                    constraint products_unit_known check (unit in
                        ('unit', 'gram', 'ounce', 'pound', 'eighth', 'sixteenth')),
    price           numeric(14,2) not null
                    constraint products_price_not_negative check (price >= 0 and price <> 'NaN'),
    moq             integer       not null default 1
                    constraint products_moq_positive check (moq >= 1),
    max_qty         integer,
    is_active       boolean       not null default true,
    image_url       text,
    created_at      timestamptz   not null default now(),
    updated_at      timestamptz   not null default now(),
    constraint products_vendor_sku_key unique (vendor_store_id, sku),
    constraint products_max_qty_at_least_moq check (max_qty >= moq)
);

create table product_volume_discounts (
    id               uuid         constraint product_volume_discounts_pkey primary key,
    product_id       uuid         not null
                     constraint product_volume_discounts_product_fkey references products,
    min_qty          integer      not null
                     constraint product_volume_discounts_min_qty_positive check (min_qty >= 1),
    discount_percent numeric(7,4) not null
                     constraint product_volume_discounts_percent_in_range
                     check (discount_percent > 0 and discount_percent <= 100),
    created_at       timestamptz  not null default now(),
    updated_at       timestamptz  not null default now(),
    constraint product_volume_discounts_product_min_qty_key unique (product_id, min_qty)
);

create table store_discounts (
    id              uuid          constraint store_discounts_pkey primary key,
    vendor_store_id uuid          not null
                    constraint store_discounts_vendor_store_fkey references stores,
    code            text          not null
                    constraint store_discounts_code_not_empty check (code <> ''),
    title           text          not null default '',
    kind            text          not null
                    constraint store_discounts_kind_known check (kind in ('percentage', 'fixed')),
    -- A percentage, or an amount of money: which of the two decides what may stand here.
    value           numeric(14,4) not null
                    constraint store_discounts_value_fits_kind check (
                        value >= 0 and value <> 'NaN' and case kind
                            when 'percentage' then value <= 100
                            else value = round(value, 2)
                        end),
    min_subtotal    numeric(14,2) not null default 0
                    constraint store_discounts_min_subtotal_not_negative
                    check (min_subtotal >= 0 and min_subtotal <> 'NaN'),
    starts_at       timestamptz   not null default now(),
    ends_at         timestamptz,
    is_active       boolean       not null default true,
    created_at      timestamptz   not null default now(),
    updated_at      timestamptz   not null default now(),
    constraint store_discounts_window_forward check (ends_at > starts_at)
);

create unique index store_discounts_vendor_code_key
    on store_discounts (vendor_store_id, upper(code));

-- Every checkout writes here. No index touches a quantity and a page keeps room for new row
-- versions, so that an update stays on its page and touches no index (a HOT update).
create table inventory_items (
    product_id          uuid        constraint inventory_items_pkey primary key
                        constraint inventory_items_product_fkey references products,
    vendor_store_id     uuid        not null
                        constraint inventory_items_vendor_store_fkey references stores,
    available_qty       integer     not null default 0
                        constraint inventory_items_available_not_negative
                        check (available_qty >= 0),
    reserved_qty        integer     not null default 0
                        constraint inventory_items_reserved_not_negative
                        check (reserved_qty >= 0),
    low_stock_threshold integer     not null default 0
                        constraint inventory_items_low_stock_not_negative
                        check (low_stock_threshold >= 0),
    created_at          timestamptz not null default now(),
    updated_at          timestamptz not null default now(),
    -- A reservation moves units from one column to the other; with this it can never overflow.
    constraint inventory_items_total_fits
        check (available_qty::bigint + reserved_qty::bigint <= 2147483647)
) with (fillfactor = 60);
