-- Tables whose rows come, change and go all day. PostgreSQL's default waits until a fifth of a table is
-- dead: of ten million rows two million, through which every look-up by an index that still names them
-- has to go. Vacuuming sooner is cheaper each time, and finds the pages still in memory.

-- Each event is written, marked as published, and after outbox.retention removed. The relay reads the
-- index of unpublished events from its beginning, once a second on each instance: what was published
-- since the last vacuum stands there as dead entries.
alter table outbox_events set (
    autovacuum_vacuum_scale_factor = 0.01,
    autovacuum_vacuum_threshold = 10000,
    autovacuum_analyze_scale_factor = 0.05
);

-- Each key is written once and removed after idempotency.checkout_days, a thousand at a time, by the
-- order of expires_at: the sweeper starts at the dead entries of what it removed before.
alter table idempotency_keys set (
    autovacuum_vacuum_scale_factor = 0.02,
    autovacuum_vacuum_threshold = 10000,
    autovacuum_analyze_scale_factor = 0.05
);

-- A buyer's active cart is written again at every PUT, and most carts are written some times before
-- they are bought.
alter table cart_records set (
    autovacuum_vacuum_scale_factor = 0.02,
    autovacuum_vacuum_threshold = 5000,
    autovacuum_analyze_scale_factor = 0.05
);

-- A checkout changes one row per line, and a hot product's row a hundred times a second. The table is
-- small, so vacuuming it takes a moment; without it a hot row's versions grow into a walk that every
-- checkout makes while it holds the row.
alter table inventory_items set (
    autovacuum_vacuum_scale_factor = 0.02,
    autovacuum_vacuum_threshold = 1000,
    autovacuum_analyze_scale_factor = 0.05
);
