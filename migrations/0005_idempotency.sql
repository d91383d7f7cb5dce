-- The truth of "exactly once" (PF-081): the first final answer of a checkout, written in the
-- checkout's own transaction. Redis holds a copy for speed only.

create table idempotency_keys (
    user_id             uuid        not null constraint idempotency_keys_user_fkey references users,
    store_id            uuid        not null constraint idempotency_keys_store_fkey references stores,
    method              text        not null,
    path                text        not null,
    key                 text        not null
                        constraint idempotency_keys_key_visible_ascii
                        check (key ~ '^[!-~]{1,255}$'),
    request_fingerprint bytea       not null,
    checkout_group_id   uuid        not null constraint idempotency_keys_checkout_group_fkey
                        references checkout_groups,
    response_status     smallint    not null
                        constraint idempotency_keys_response_status_is_success
                        check (response_status between 200 and 299),
    response_body       bytea       not null,
    created_at          timestamptz not null default now(),
    expires_at          timestamptz not null,
    constraint idempotency_keys_pkey primary key (user_id, store_id, method, path, key),
    constraint idempotency_keys_expires_later check (expires_at > created_at)
);

-- For the sweep that removes what has expired.
create index idempotency_keys_expires_idx on idempotency_keys (expires_at);
