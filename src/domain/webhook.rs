//! Webhooks: the types of events that a store may subscribe to, when a failed delivery is tried again, and
//! when an endpoint is disabled.

use std::time::Duration;

use serde::Serialize;
use utoipa::ToSchema;

/// The most endpoints of one store.
pub const ENDPOINTS_MAX: i64 = 16;
/// The longest URL of an endpoint, in characters.
pub const URL_LEN_MAX: usize = 2048;
/// The type of the event that only tests an endpoint. Every endpoint gets it.
pub const TEST_TYPE: &str = "webhook_test";
/// The time for which the secret before signs beside a new one.
pub const OLD_SECRET_KEPT: Duration = Duration::from_hours(24);
/// The most old secrets that sign.
pub const OLD_SECRETS_MAX: i64 = 5;
/// The most tests that wait at an endpoint.
pub const TESTS_WAITING_MAX: i64 = 10;
/// An endpoint that has failed for this long, without one success, is disabled.
pub const FAILING_MAX: Duration = Duration::from_hours(5 * 24);
/// The time for which deliveries are kept.
pub const DELIVERIES_KEPT: Duration = Duration::from_hours(7 * 24);

/// The pauses before the second attempt, the third, and so on.
const RETRIES: [Duration; 9] = [
    Duration::from_secs(5),
    Duration::from_mins(5),
    Duration::from_mins(30),
    Duration::from_hours(2),
    Duration::from_hours(5),
    Duration::from_hours(10),
    Duration::from_hours(14),
    Duration::from_hours(20),
    Duration::from_hours(24),
];
/// A pause is longer by up to this share of it, so that what failed together is not tried again together.
const JITTER: f64 = 0.2;

/// The pause after a failed attempt, the first of which is 1; `None` after the last. `chance` is from 0 to 1.
pub fn pause_after(attempt: i32, chance: f64) -> Option<Duration> {
    let place = usize::try_from(attempt).ok()?.checked_sub(1)?;
    let pause = RETRIES.get(place)?;
    Some(pause.mul_f64(1.0 + JITTER * chance.clamp(0.0, 1.0)))
}

/// A type of event that a store may subscribe to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum EventType {
    OrderCreated,
    VendorOrderCreated,
    OrderDecided,
    OrderFulfilled,
    OrderCanceled,
    OrderExpired,
    InventoryLow,
}

impl EventType {
    /// All types with their names.
    pub const WORDS: [(&str, Self); 7] = [
        ("order_created", Self::OrderCreated),
        ("vendor_order_created", Self::VendorOrderCreated),
        ("order_decided", Self::OrderDecided),
        ("order_fulfilled", Self::OrderFulfilled),
        ("order_canceled", Self::OrderCanceled),
        ("order_expired", Self::OrderExpired),
        ("inventory_low", Self::InventoryLow),
    ];

    /// The name of the type.
    pub fn word(self) -> &'static str {
        let word = Self::WORDS.iter().find(|(_, it)| *it == self);
        word.map_or("", |(word, _)| *word)
    }
}

/// The reason for which an endpoint gets nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema, sqlx::Type)]
#[serde(rename_all = "snake_case")]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub enum DisabledReason {
    /// A member of the store has switched it off.
    SwitchedOff,
    /// Every attempt of five days has failed.
    Failing,
    /// It has answered 410 Gone.
    Gone,
}

/// The outcome of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema, sqlx::Type)]
#[serde(rename_all = "snake_case")]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub enum DeliveryOutcome {
    /// The answer was 2xx, in time.
    Delivered,
    Failed,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_delivery_is_tried_ten_times_with_growing_pauses() {
        let pauses: Vec<_> = (1..)
            .map_while(|attempt| pause_after(attempt, 0.0))
            .collect();
        assert_eq!(pauses, RETRIES);
        let all: Duration = pauses.iter().sum();
        assert!(all.mul_f64(1.0 + JITTER) < FAILING_MAX, "{all:?}");
        assert_eq!(pause_after(10, 0.5), None);
        assert_eq!(pause_after(0, 0.5), None);
        assert_eq!(pause_after(-1, 0.5), None);
    }

    #[test]
    fn jitter_only_lengthens_a_pause() {
        assert_eq!(pause_after(1, 1.0), Some(Duration::from_secs(6)));
        assert_eq!(pause_after(1, 0.5), Some(Duration::from_millis(5500)));
    }
}
