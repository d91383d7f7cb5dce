//! Metrics of checkouts: what buyers get, the transactions behind it, and the vendors' turns.

use super::{Section, counter, gauge, histogram};

pub(super) const CHECKOUTS: Section = Section {
    title: "Checkouts",
    question: "What do buyers get, and how soon?",
    entries: &[
        counter(
            "splitcart_checkouts_total",
            &["outcome"],
            "Checkouts, by outcome",
            "`overloaded`, `unavailable` and `failed` are answered with 5xx: see the refusals and \
             PostgreSQL below. Many `stock_changed` or `cart_changed` mean that buyers look at old data",
        ),
        histogram(
            "splitcart_checkout_duration_seconds",
            &["answer"],
            "Time from the request of a checkout to its answer, by kind of answer",
            "The objective: 99.9 % are answered within 0.25 s and not `failed`. The stages say where the \
             time goes",
        ),
        histogram(
            "splitcart_checkout_stage_seconds",
            &["stage"],
            "Time of checkouts that reached a transaction, by stage; the stages add up to the time of the \
             answer",
            "`queue`: too few or too slow transactions. `reads`, `writes`, `reservation`: statements, see \
             `pg_stat_statements`. `commit`: the disk or a synchronous standby. `turns`: a hot vendor. \
             `redis`: Redis. `retries`: rows that others hold, or \
             transactions that failed. `rest`: the processor",
        ),
        counter(
            "splitcart_reservations_total",
            &["outcome"],
            "Line items of checkouts, by outcome",
            "A jump of one outcome names its cause: stock that ran out, a catalogue import that switched \
             products off, licences or subscriptions that ended",
        ),
        counter(
            "splitcart_replays_total",
            &["source"],
            "Requests answered with a stored first answer, by where it was found",
            "More replays than usual are clients that retry: see why their first request was not \
             answered. Only `postgresql` means that Redis has lost or does not take answers",
        ),
    ],
};

pub(super) const QUEUE: Section = Section {
    title: "Transactions of checkouts",
    question: "Do they keep up?",
    entries: &[
        gauge(
            "splitcart_coordinator_mailbox_depth",
            &[],
            "Checkouts waiting for a transaction",
            "Hundreds for minutes: transactions are slow, or more buyers come than the machine serves. \
             See where their time goes, then `transactions_in_flight`. At `queue_max` checkouts are \
             refused",
        ),
        histogram(
            "splitcart_coordinator_mailbox_wait_seconds",
            &[],
            "Time that checkouts waited for a transaction",
            "Near `queue_wait_ms_max` checkouts are refused. The wait is what a slow transaction costs \
             those behind it",
        ),
        counter(
            "splitcart_coordinator_rejected_total",
            &["reason"],
            "Checkouts refused before any work was done, by reason",
            "`TooManySetAside` is about held rows, `Draining` about a stop; the others are overload: add \
             capacity or find the slow statement",
        ),
        gauge(
            "splitcart_coordinator_running",
            &[],
            "Transactions of checkouts under way",
            "At `transactions_in_flight` all slots are taken; it is higher while overdue ones are \
             replaced",
        ),
        gauge(
            "splitcart_coordinator_overdue",
            &[],
            "Running checkout transactions that are much slower than the others",
            "Above 0 for more than seconds: look in `pg_stat_activity` for the session that waits, and \
             for what",
        ),
        gauge(
            "splitcart_coordinator_set_aside",
            &[],
            "Checkouts waiting, outside any transaction, for a row that another transaction holds",
            "See `splitcart_held_rows`. At `aside_max` further ones are refused",
        ),
        gauge(
            "splitcart_coordinator_slow_lane_depth",
            &[],
            "Checkouts whose transaction failed, waiting to be tried again alone",
            "It drains by itself. If it grows, most transactions fail: see \
             `splitcart_database_errors_total`",
        ),
        counter(
            "splitcart_batches_closed_total",
            &["reason"],
            "Batches of checkouts by the reason why they were closed",
            "Mostly `Idle` when little is to do, `Full` and `Enough` under load; many `OthersSlow`: \
             transactions are slow",
        ),
        histogram(
            "splitcart_batch_size",
            &[],
            "Checkouts decided per transaction",
            "1 when little is to do; towards `batch_max` under load. At `batch_max` for long, the queue \
             grows",
        ),
        histogram(
            "splitcart_batch_duration_seconds",
            &[],
            "Duration of checkout transactions, commit included",
            "Compare with the disk (commits) and with held rows; near `transaction_ms_max` transactions \
             are lost",
        ),
        counter(
            "splitcart_batch_retries_total",
            &[],
            "Checkouts tried again, alone, after their transaction failed",
            "More than a few a minute: the log names the errors",
        ),
        counter(
            "splitcart_batch_stock_moved_total",
            &[],
            "Transactions restarted because stock changed between reading and reserving it",
            "Normal while several instances or imports write the same stock. Constant growth: send the \
             hot vendor's buyers to one instance",
        ),
        counter(
            "splitcart_batch_tables_locked_total",
            &[],
            "Transactions of checkouts that failed because others lock a whole table or its index",
            "All checkouts in them are refused: the log names the table and PostgreSQL's process. \
             `create index concurrently` and `reindex concurrently` refuse nobody",
        ),
        gauge(
            "splitcart_held_rows",
            &[],
            "Rows needed by checkouts that other transactions are known to hold",
            "Above 0 for more than seconds: another session holds stock, carts or stores. `pg_locks` \
             shows it; end it",
        ),
        histogram(
            "splitcart_held_row_wait_seconds",
            &["outcome"],
            "Time that checkouts, moves and stock counts waited for rows that other transactions held, by \
             outcome",
            "Many `held` are buyers answered with 503: find the session that holds the rows",
        ),
    ],
};

pub(super) const VENDORS: Section = Section {
    title: "Vendors",
    question: "Which vendors are hot?",
    entries: &[
        gauge(
            "splitcart_vendor_mailbox_depth",
            &[],
            "Reservations in the mailboxes of all vendor actors, those being carried out included",
            "It follows the load. High with short batches: one vendor is hot, see the deepest",
        ),
        gauge(
            "splitcart_vendor_mailbox_depth_deepest",
            &["vendor_store_id"],
            "The ten vendors with the deepest mailboxes; none while all are empty",
            "One vendor far above the others is a flash sale, or a session that holds its stock",
        ),
        histogram(
            "splitcart_vendor_mailbox_wait_seconds",
            &[],
            "Time that reservations waited for their vendor's turn",
            "A long wait with a shallow mailbox means that turns are long: see the writes and commits of \
             checkouts",
        ),
        counter(
            "splitcart_vendor_rejected_total",
            &[],
            "Reservations that a vendor's actor did not take before their deadline",
            "Above 0: a transaction held a turn for too long. See `splitcart_coordinator_overdue`",
        ),
        gauge(
            "splitcart_vendor_actors",
            &[],
            "Live vendor actors; each takes about 1 KB until it has been idle for `vendors.idle_s_max`",
            "Only worth a look if memory grows with it: lower `vendors.idle_s_max`",
        ),
    ],
};
