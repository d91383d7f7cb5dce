//! Measures the time in which no batch has ended although commands wait. It distinguishes a service
//! that hangs from one without work.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

/// The time of the last progress. Clones share it; it can be used from any thread.
#[derive(Clone, Debug)]
pub(super) struct Progress {
    opened_at: Instant,
    /// Milliseconds since `opened_at`.
    last_ms: Arc<AtomicU64>,
}

impl Progress {
    /// The state before anything waits.
    pub(super) fn begin() -> Self {
        Self {
            opened_at: Instant::now(),
            last_ms: Arc::default(),
        }
    }

    /// Notes that a batch has ended, or that a first command has come.
    pub(super) fn mark(&self) {
        let now = u64::try_from(self.opened_at.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.last_ms.store(now, Ordering::Relaxed);
    }

    /// The time since the last note.
    pub(super) fn none_for(&self) -> Duration {
        let last = Duration::from_millis(self.last_ms.load(Ordering::Relaxed));
        self.opened_at.elapsed().saturating_sub(last)
    }
}
