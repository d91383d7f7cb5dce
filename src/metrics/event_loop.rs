//! The lag of event loops: a timer on each thread measures by how much it is late. A thread that computes
//! or blocks is late for everything else, too.

use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use super::{Metrics, ThreadLabel};

/// The interval of the timer. Its resolution is 1 ms.
const EVERY: Duration = Duration::from_millis(100);

/// Measures the lag of the event loop on which this runs.
pub async fn measure(metrics: Metrics, thread: impl Into<String>) {
    let thread = thread.into();
    let lag = metrics
        .event_loop_lag
        .get_or_create_owned(&ThreadLabel { thread });
    loop {
        let due_at = Instant::now() + EVERY;
        sleep_until(due_at).await;
        lag.observe(due_at.elapsed().as_secs_f64());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_loop_that_is_busy_is_late() {
        let metrics = Metrics::new();
        let thread = "busy".to_owned();
        let lag = metrics
            .event_loop_lag
            .get_or_create_owned(&ThreadLabel { thread });
        let measuring = tokio::spawn(measure(metrics, "busy"));
        // The timer is set before the loop is busy.
        tokio::task::yield_now().await;
        let began_at = Instant::now();
        while began_at.elapsed() < EVERY * 3 {
            std::hint::spin_loop();
        }
        while lag.counts().total() == 0 {
            tokio::task::yield_now().await;
        }
        measuring.abort();
        assert!(lag.counts().sum > EVERY.as_secs_f64(), "{:?}", lag.counts());
    }
}
