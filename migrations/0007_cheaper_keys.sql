-- What an idempotency key's row costs, measured (docs/performance.md).

-- The same rule as before. A counted repetition, {1,255}, makes PostgreSQL's regular expressions
-- walk 255 states: 30 microseconds per row where these two tests take half of one.
alter table idempotency_keys
    drop constraint idempotency_keys_key_visible_ascii,
    add constraint idempotency_keys_key_visible_ascii
        check (length(key) between 1 and 255 and key !~ '[^!-~]');

-- A checkout's answer is about 2.4 KB, just over the default of 2 KB from which PostgreSQL compresses
-- a row. Compressing takes longer than writing the bytes that it saves; longer answers still are.
alter table idempotency_keys set (toast_tuple_target = 8160);
