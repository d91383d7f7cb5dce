-- Any number of sinks, each with its own progress (docs/events.md). The primary sink is served through
-- claims, as before, and published_at is its progress. All others follow the events as a log, in the order
-- of seq, and one row per sink says how far each has come.

-- `seq` is assigned when an event is first settled, after the commit of the change that it announces, and
-- under the lock of the row in outbox_sequencing. So a follower that has read up to one seq never meets
-- a lower one later. A sequence, because its numbers have no versions (see outbox_sequencing); it is no key.
create sequence outbox_events_seq;
alter table outbox_events
    add column if not exists seq bigint,
    -- W3C Trace Context of the request that caused the event.
    add column if not exists traceparent text;
alter table outbox_dead_letters
    add column if not exists seq bigint,
    add column if not exists traceparent text;

-- Its only row is locked while a statement assigns seq, and never changed meanwhile: a row with a counter
-- would grow a version per statement, all of which an old snapshot would keep.
create table outbox_sequencing (
    is_the_row   boolean     not null default true constraint outbox_sequencing_pkey primary key
                 constraint outbox_sequencing_one_row check (is_the_row),
    -- The sink whose progress is published_at. Null until the service has started once.
    primary_sink text,
    created_at   timestamptz not null default now(),
    updated_at   timestamptz not null default now()
);
insert into outbox_sequencing default values;

-- The followers.
create table outbox_sinks (
    name          text        constraint outbox_sinks_pkey primary key,
    -- Every event up to this seq was taken by the sink, or stands in outbox_backlog.
    position      bigint      not null,
    -- The instance that publishes to the sink; `claimed_until` is also the fencing token.
    claimed_by    uuid,
    claimed_until timestamptz,
    -- The reason for which the sink took nothing at the last attempt. Null once it takes events again.
    last_error    text,
    created_at    timestamptz not null default now(),
    updated_at    timestamptz not null default now()
);

-- Events that a follower refused while it took others, and later events of the same aggregates.
create table outbox_backlog (
    sink            text        not null
                    constraint outbox_backlog_sink_fkey references outbox_sinks,
    seq             bigint      not null,
    event_id        uuid        not null,
    aggregate_id    uuid        not null,
    attempts        integer     not null default 0
                    constraint outbox_backlog_attempts_not_negative check (attempts >= 0),
    next_attempt_at timestamptz not null default now(),
    last_error      text,
    -- Set for a dead letter: it is not sent again, and holds up no other event.
    dead_at         timestamptz,
    created_at      timestamptz not null default now(),
    constraint outbox_backlog_pkey primary key (sink, seq)
);
create index outbox_backlog_event_idx on outbox_backlog (event_id);
create index outbox_backlog_live_idx on outbox_backlog (sink, aggregate_id, seq) where dead_at is null;
