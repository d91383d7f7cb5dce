//! Idle actors are put away: an actor that has had no visit for `vendors.idle_s_max` is stopped, unless
//! a place in its mailbox is taken.

use std::time::{Duration, Instant};

use super::{Entry, VendorDirectory};

/// The number of actors that are put away in one go. It takes about a microsecond each, so nothing else on
/// this thread is delayed noticeably.
const PUT_AWAY_AT_ONCE: usize = 64;

impl VendorDirectory {
    /// Puts idle actors away, as long as the arbiter runs.
    pub async fn put_away_idle_actors(self, idle_max: Duration) {
        let mut ticks = tokio::time::interval((idle_max / 4).max(Duration::from_millis(100)));
        loop {
            ticks.tick().await;
            self.put_away_idle(idle_max).await;
        }
    }

    /// Puts away the actors that have been idle for `idle_max`, a few at a time, and yields the thread in
    /// between. Returns their number.
    pub async fn put_away_idle(&self, idle_max: Duration) -> usize {
        let now = Instant::now();
        let is_idle = |entry: &Entry| entry.places.are_idle(now, idle_max);
        let vendors = &self.0.vendors;
        let mut idle = Vec::with_capacity(vendors.len());
        // Keeps all: this is `iter` without a guard per entry, which would take most of the time.
        vendors.retain(|vendor, entry| {
            if is_idle(entry) {
                idle.push(*vendor);
            }
            true
        });
        let mut put_away = 0;
        for few in idle.chunks(PUT_AWAY_AT_ONCE) {
            for vendor in few {
                // A place may have been taken since.
                let removed = vendors.remove_if(vendor, |_, entry| is_idle(entry));
                if removed.is_some() {
                    self.0.metrics.vendor_actors.dec();
                    put_away += 1;
                }
            }
            tokio::task::yield_now().await;
        }
        put_away
    }
}
