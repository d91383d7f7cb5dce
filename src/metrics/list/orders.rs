//! Metrics of carts, of orders after their checkout, and of stock counts.

use super::{Section, counter, gauge, histogram};

pub(super) const CARTS: Section = Section {
    title: "Carts",
    question: "Do cart PUTs keep up?",
    entries: &[
        gauge(
            "splitcart_cart_mailbox_depth",
            &[],
            "Cart PUTs waiting for a transaction",
            "As for checkouts; carts have connections of their own (`cart.transactions_in_flight`)",
        ),
        histogram(
            "splitcart_cart_mailbox_wait_seconds",
            &[],
            "Time that cart PUTs waited for a transaction",
            "As for checkouts",
        ),
        counter(
            "splitcart_cart_rejected_total",
            &["reason"],
            "Cart PUTs refused before any work was done, by reason",
            "Overload: see the wait, and PostgreSQL",
        ),
        gauge(
            "splitcart_cart_running",
            &[],
            "Transactions of cart PUTs under way",
            "At `cart.transactions_in_flight` all slots are taken",
        ),
        counter(
            "splitcart_cart_batches_closed_total",
            &["reason"],
            "Batches of cart PUTs by the reason why they were closed",
            "As for checkouts",
        ),
        histogram(
            "splitcart_cart_batch_size",
            &[],
            "Cart PUTs per transaction",
            "1 when little is to do",
        ),
    ],
};

pub(super) const ORDERS: Section = Section {
    title: "Orders after their checkout",
    question: "Do vendors' decisions keep up, and do late orders expire?",
    entries: &[
        gauge(
            "splitcart_orders_waiting",
            &[],
            "Orders that wait for their vendor's decision, as of the last complete count",
            "It should follow the vendors' working hours. Steady growth: a vendor's system no longer \
             decides, or does not get its events",
        ),
        gauge(
            "splitcart_orders_waiting_oldest_seconds",
            &[],
            "Age of the order that has waited longest for its vendor's decision; 0 if none waits",
            "Beyond `orders.decide_within` orders are not expired: see `splitcart_expiry_overdue_seconds`",
        ),
        gauge(
            "splitcart_orders_measured_timestamp_seconds",
            &[],
            "Unix time of the last complete count of the orders that wait",
            "Old: PostgreSQL does not answer the background connections, or the table is counted in many \
             small steps",
        ),
        gauge(
            "splitcart_order_mailbox_depth",
            &[],
            "Moves of orders waiting for a transaction",
            "As for checkouts",
        ),
        histogram(
            "splitcart_order_mailbox_wait_seconds",
            &[],
            "Time that moves of orders waited for a transaction",
            "As for checkouts",
        ),
        counter(
            "splitcart_order_rejected_total",
            &["reason"],
            "Moves of orders refused before any work was done, by reason",
            "Overload, or held rows (`TooManySetAside`)",
        ),
        gauge(
            "splitcart_order_running",
            &[],
            "Transactions of moves of orders under way",
            "At `orders.transactions_in_flight` all slots are taken",
        ),
        counter(
            "splitcart_order_batches_closed_total",
            &["reason"],
            "Batches of moves of orders by the reason why they were closed",
            "As for checkouts",
        ),
        gauge(
            "splitcart_order_overdue",
            &[],
            "Running transactions of moves that are much slower than the others",
            "Above 0 for more than seconds: look in `pg_stat_activity` for the session that waits",
        ),
        gauge(
            "splitcart_order_set_aside",
            &[],
            "Moves of orders waiting, outside any transaction, for a row that another transaction holds",
            "See `splitcart_held_rows`",
        ),
        gauge(
            "splitcart_order_slow_lane_depth",
            &[],
            "Moves of orders whose transaction failed, waiting to be tried again alone",
            "If it grows, see `splitcart_database_errors_total`",
        ),
        histogram(
            "splitcart_order_batch_size",
            &[],
            "Moves of orders per transaction",
            "1 when little is to do",
        ),
        counter(
            "splitcart_order_moves_total",
            &["outcome"],
            "Decisions, fulfilments, cancellations and expiries of orders, by outcome",
            "Many refusals: a client sends moves that the order's status does not allow",
        ),
        counter(
            "splitcart_orders_moved_total",
            &["status"],
            "Orders moved to a status after their checkout",
            "Many `expired`: vendors do not decide in time. Many `canceled`: ask the buyers",
        ),
        counter(
            "splitcart_orders_expired_total",
            &[],
            "Late orders that this instance has expired",
            "A burst after an outage of events is expected",
        ),
        counter(
            "splitcart_orders_not_expired_total",
            &[],
            "Attempts to expire a late order that failed; each is tried again",
            "The log names the first order of each failed batch",
        ),
        gauge(
            "splitcart_expiry_waiting",
            &[],
            "Late orders that could not be expired and are tried again",
            "Above 0 for minutes: the log says why",
        ),
        gauge(
            "splitcart_expiry_overdue_seconds",
            &[],
            "Time by which the oldest order that was last found to be late was late; 0 if none was",
            "Stays below a minute. Above: moves are refused or fail",
        ),
    ],
};

pub(super) const COUNTS: Section = Section {
    title: "Stock counts",
    question: "Do they keep up, and what comes of them?",
    entries: &[
        gauge(
            "splitcart_count_mailbox_depth",
            &[],
            "Stock counts waiting for a transaction",
            "A vendor sends its whole stock too often: it may send what has changed",
        ),
        histogram(
            "splitcart_count_mailbox_wait_seconds",
            &[],
            "Time that stock counts waited for a transaction",
            "As for checkouts",
        ),
        counter(
            "splitcart_count_rejected_total",
            &["reason"],
            "Stock counts refused before any work was done, by reason",
            "Overload, or held rows (`TooManySetAside`)",
        ),
        gauge(
            "splitcart_count_running",
            &[],
            "Transactions of stock counts under way",
            "At `inventory.transactions_in_flight` all slots are taken",
        ),
        counter(
            "splitcart_count_batches_closed_total",
            &["reason"],
            "Batches of stock counts by the reason why they were closed",
            "As for checkouts",
        ),
        gauge(
            "splitcart_count_overdue",
            &[],
            "Running transactions of stock counts that are much slower than the others",
            "Above 0 for more than seconds: look in `pg_stat_activity` for the session that waits",
        ),
        gauge(
            "splitcart_count_set_aside",
            &[],
            "Stock counts waiting, outside any transaction, for a row that another transaction holds",
            "See `splitcart_held_rows`",
        ),
        histogram(
            "splitcart_count_duration_seconds",
            &[],
            "Duration of the transactions of stock counts, commit included",
            "Long ones hold vendors' turns: send fewer items per request",
        ),
        counter(
            "splitcart_counted_rows_total",
            &["outcome"],
            "Items of stock counts, by result",
            "Many `refused`: the vendor counts products that it does not sell",
        ),
    ],
};
