-- The indexes of the log of events. They are built while writers wait, which takes a moment for an outbox of
-- a week. For a larger one, add the columns of 0016 by hand beforehand (`add column if not exists`), and
-- these indexes with `create index concurrently`.

create index if not exists outbox_events_seq_idx on outbox_events (seq) where seq is not null;
create index if not exists outbox_dead_letters_seq_idx on outbox_dead_letters (seq) where seq is not null;

-- Whether an earlier event of an aggregate is still to be published. `num_nulls`, so that only statements
-- that ask for one aggregate use it, and none of them is planned over the index of all that is unpublished:
-- where that one looked empty to ANALYZE, while an old snapshot keeps its dead entries, a look takes seconds.
-- The index of 0013 stays for instances of the version before, and goes with a later release.
create index if not exists outbox_events_unpublished_in_order_idx
    on outbox_events (aggregate_id, created_at)
    where num_nulls(published_at) = 1 and aggregate_type <> 'checkout_group';
