-- Which of these keys another transaction has written and not yet committed: its rows can't be seen, so
-- the only way to know is to try to write the same key. Asked only after a batch has waited in vain, in
-- one statement for all of its keys, and each for a millisecond.
--
-- Nothing stays written: a key that is free fails for its checkout group, which does not exist, or for
-- its row, which does.

create function held_idempotency_keys(
    user_ids uuid[], store_ids uuid[], methods text[], paths text[], keys text[]
) returns setof bigint
language plpgsql as $$
begin
    perform set_config('lock_timeout', '1ms', true);
    for nr in 1 .. cardinality(keys) loop
        begin
            insert into idempotency_keys (
                user_id, store_id, method, path, key, request_fingerprint, checkout_group_id,
                response_status, response_body, expires_at)
            values (
                user_ids[nr], store_ids[nr], methods[nr], paths[nr], keys[nr], '', gen_random_uuid(),
                201, '', now() + interval '1 second');
            raise foreign_key_violation;
        exception
            when lock_not_available then
                return next nr;
            when foreign_key_violation or unique_violation then
                null;
        end;
    end loop;
end
$$;
