-- Who buys and sells. Stores and users are deactivated, never deleted, once something refers to
-- them: every foreign key is RESTRICT unless a line says otherwise.
--
-- Primary keys are UUIDv7 made by the application, so no table has a default for its id. Enums are
-- text with a CHECK: readable in psql, easy to extend, portable.

create table users (
    id         uuid        constraint users_pkey primary key,
    email      text        not null,
    full_name  text        not null default '',
    is_active  boolean     not null default true,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now()
);

create unique index users_email_key on users (lower(email));

create table stores (
    id         uuid        constraint stores_pkey primary key,
    type       text        not null
               constraint stores_type_known check (type in ('buyer', 'vendor')),
    name       text        not null,
    state      char(2)     not null
               constraint stores_state_two_capitals check (state ~ '^[A-Z]{2}$'),
    kyc_status text        not null default 'pending_verification'
               constraint stores_kyc_status_known check (kyc_status in
                   ('pending_verification', 'verified', 'rejected', 'expired', 'suspended')),
    address    jsonb,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now()
);

create index stores_type_kyc_status_idx on stores (type, kyc_status);

create table store_memberships (
    id         uuid        constraint store_memberships_pkey primary key,
    store_id   uuid        not null constraint store_memberships_store_fkey references stores,
    user_id    uuid        not null constraint store_memberships_user_fkey references users,
    role       text        not null
               constraint store_memberships_role_known check (role in
                   ('owner', 'admin', 'manager', 'ops', 'staff', 'viewer')),
    status     text        not null default 'invited'
               constraint store_memberships_status_known check (status in
                   ('invited', 'active', 'removed')),
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    constraint store_memberships_store_user_key unique (store_id, user_id)
);

create table licenses (
    id            uuid        constraint licenses_pkey primary key,
    store_id      uuid        not null constraint licenses_store_fkey references stores,
    number        text        not null,
    type          text        not null
                  constraint licenses_type_known check (type in
                      ('grower', 'producer', 'distributor', 'dispensary')),
    issuing_state char(2)     not null
                  constraint licenses_issuing_state_two_capitals
                  check (issuing_state ~ '^[A-Z]{2}$'),
    status        text        not null default 'pending'
                  constraint licenses_status_known check (status in
                      ('pending', 'verified', 'rejected', 'expired')),
    issued_on     date,
    expires_on    date,
    created_at    timestamptz not null default now(),
    updated_at    timestamptz not null default now(),
    constraint licenses_issuing_state_number_key unique (issuing_state, number)
);

create index licenses_store_status_expires_idx on licenses (store_id, status, expires_on);

create table subscriptions (
    id                 uuid        constraint subscriptions_pkey primary key,
    vendor_store_id    uuid        not null
                       constraint subscriptions_vendor_store_fkey references stores,
    status             text        not null
                       constraint subscriptions_status_known check (status in
                           ('trialing', 'active', 'past_due', 'canceled', 'paused')),
    current_period_end timestamptz not null,
    created_at         timestamptz not null default now(),
    updated_at         timestamptz not null default now(),
    constraint subscriptions_vendor_store_key unique (vendor_store_id)
);
