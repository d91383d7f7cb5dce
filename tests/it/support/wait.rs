//! Waits for conditions, with a limit.

use std::time::{Duration, Instant};

/// The time within which a condition must come true, on a busy machine.
const LIMIT: Duration = Duration::from_secs(30);

/// Polls until the condition holds.
pub async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let give_up = Instant::now() + LIMIT;
    while !holds().await {
        assert!(
            Instant::now() < give_up,
            "waited {LIMIT:?} in vain until {what}"
        );
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
