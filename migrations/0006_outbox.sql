-- Events that are written with the change they tell of, and published afterwards (PF-082).
-- `payload` is the event's `data`; the envelope is made when the event is published.

create table outbox_events (
    id              uuid        constraint outbox_events_pkey primary key,
    event_type      text        not null,
    aggregate_type  text        not null,
    aggregate_id    uuid        not null,
    payload         jsonb       not null,
    created_at      timestamptz not null default now(),
    attempts        integer     not null default 0
                    constraint outbox_events_attempts_not_negative check (attempts >= 0),
    next_attempt_at timestamptz not null default now(),
    published_at    timestamptz,
    last_error      text
);

-- These happen once in the life of their aggregate.
create unique index outbox_events_once_only_key
    on outbox_events (event_type, aggregate_id) where event_type in ('order_created');

-- What the relay looks for: small however many events were published before.
create index outbox_events_unpublished_idx
    on outbox_events (next_attempt_at, id) where published_at is null;

create table outbox_dead_letters (
    id              uuid        constraint outbox_dead_letters_pkey primary key,
    event_type      text        not null,
    aggregate_type  text        not null,
    aggregate_id    uuid        not null,
    payload         jsonb       not null,
    created_at      timestamptz not null,
    attempts        integer     not null
                    constraint outbox_dead_letters_attempts_not_negative check (attempts >= 0),
    next_attempt_at timestamptz not null,
    published_at    timestamptz,
    last_error      text,
    reason          text        not null
                    constraint outbox_dead_letters_reason_known check (reason in
                        ('max_attempts', 'non_retryable')),
    failed_at       timestamptz not null default now()
);
