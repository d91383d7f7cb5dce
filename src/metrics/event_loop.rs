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
