-- The first answer of a cart PUT, written in the cart's own transaction: whatever Redis has lost, a
-- retry hears it again, also after the cart was replaced or bought, and never makes a second cart.
--
-- The body is kept as it went out, compressed by us: the lines of a replaced version are gone, and
-- the name of a vendor or the length of the price hold may have changed since. The scope is a digest
-- of user, store, method, path and key, and there are no foreign keys: a row costs a cart PUT 6
-- microseconds like this, and four and a half times as much in the form of idempotency_keys.

create table cart_put_keys (
    scope               uuid        constraint cart_put_keys_pkey primary key,
    cart_id             uuid        not null,
    request_fingerprint bytea       not null,
    response_body       bytea       not null,
    created_at          timestamptz not null default now(),
    expires_at          timestamptz not null,
    constraint cart_put_keys_expires_later check (expires_at > created_at)
);

-- For the sweep that removes what has expired.
create index cart_put_keys_expires_idx on cart_put_keys (expires_at);

-- It was compressed already.
alter table cart_put_keys alter response_body set storage external;
alter table cart_put_keys set (toast_tuple_target = 8160);
