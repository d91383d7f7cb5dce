//! The counters that exist from the start, with the value 0. A counter that appears with its first event hides
//! that event from every rate.

use prometheus_client::metrics::{counter::Counter, family::Family};

use super::{
    ClosedBecause, ClosedLabel, KindLabel, LimitLabel, Metrics, OutcomeLabel, ReasonLabel,
    RefusedBecause, RefusedLabel, ReplayLabel, StatusLabel,
};

/// The outcomes of checkouts: the values of a label of `splitcart_checkouts_total`.
pub const CHECKOUTS: [&str; 13] = [
    "created",
    "replayed",
    "key_reused",
    "cart_not_found",
    "already_converted",
    "forbidden",
    "cart_expired",
    "cart_changed",
    "invalid",
    "stock_changed",
    "overloaded",
    "unavailable",
    "failed",
];
/// The outcomes of lines: the values of a label of `splitcart_reservations_total`.
pub const RESERVATIONS: [&str; 9] = [
    "reserved",
    "filled_rest",
    "insufficient_inventory",
    "product_unavailable",
    "vendor_license_invalid",
    "vendor_subscription_inactive",
    "vendor_state_mismatch",
    "vendor_order_incomplete",
    "purchase_limit_reached",
];
const MOVES: [&str; 6] = [
    "moved",
    "replayed",
    "refused",
    "overloaded",
    "unavailable",
    "failed",
];
const STATUSES: [&str; 6] = [
    "accepted",
    "partially_accepted",
    "rejected",
    "fulfilled",
    "canceled",
    "expired",
];
const REFUSALS: [RefusedBecause; 5] = [
    RefusedBecause::QueueFull,
    RefusedBecause::WouldWaitTooLong,
    RefusedBecause::WaitedTooLong,
    RefusedBecause::TooManySetAside,
    RefusedBecause::Draining,
];

const CLOSED: [ClosedBecause; 4] = [
    ClosedBecause::Idle,
    ClosedBecause::Full,
    ClosedBecause::Enough,
    ClosedBecause::OthersSlow,
];

impl Metrics {
    /// Creates the counters of outcomes, refusals and replays.
    pub(super) fn begin_at_zero(&self) {
        outcomes(&self.checkouts, &CHECKOUTS);
        outcomes(&self.reservations, &RESERVATIONS);
        outcomes(&self.order_moves, &MOVES);
        outcomes(&self.counted_rows, &["changed", "unchanged", "refused"]);
        outcomes(&self.webhook_deliveries, &["delivered", "failed"]);
        for outcome in ["freed", "held"] {
            drop(self.held_row_wait.get_or_create(&OutcomeLabel { outcome }));
        }
        for status in STATUSES {
            drop(self.orders_moved.get_or_create(&StatusLabel { status }));
        }
        for meters in [
            &self.checkout_queue,
            &self.cart_queue,
            &self.order_queue,
            &self.count_queue,
        ] {
            for reason in REFUSALS {
                drop(meters.rejected.get_or_create(&RefusedLabel { reason }));
            }
            for reason in CLOSED {
                drop(meters.closed.get_or_create(&ClosedLabel { reason }));
            }
        }
        for kind in [
            "transient",
            "busy",
            "unreachable",
            "constraint",
            "permanent",
        ] {
            drop(self.database_errors.get_or_create(&KindLabel { kind }));
        }
        for limit in ["address", "user", "refused_tokens", "code_guesses"] {
            drop(self.rate_limited.get_or_create(&LimitLabel { limit }));
        }
        reasons(
            &self.connections_cut,
            &["unread", "requests", "head", "frames", "address"],
        );
        reasons(
            &self.broken_requests,
            &["malformed", "head_too_large", "late_head", "body", "http2"],
        );
        reasons(
            &self.live_streams_refused,
            &["streams", "user_streams", "stopping", "unavailable"],
        );
        reasons(&self.spans_dropped, &["queue_full", "not_taken"]);
        for source in ["redis", "postgresql"] {
            drop(self.replays.get_or_create(&ReplayLabel { source }));
        }
    }
}

fn outcomes(family: &Family<OutcomeLabel, Counter>, outcomes: &[&'static str]) {
    for outcome in outcomes {
        drop(family.get_or_create(&OutcomeLabel { outcome }));
    }
}

fn reasons(family: &Family<ReasonLabel, Counter>, reasons: &[&'static str]) {
    for reason in reasons {
        drop(family.get_or_create(&ReasonLabel { reason }));
    }
}
