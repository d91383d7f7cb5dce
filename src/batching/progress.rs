//! Since when nothing has ended although somebody waits: what tells a service that hangs from one that
//! has nothing to do.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

/// See the module. Cloning shares it; it may be used from any thread.
#[derive(Clone, Debug)]
pub(super) struct Progress {
    opened_at: Instant,
    /// In ms since `opened_at`.
    last_ms: Arc<AtomicU64>,
}

impl Progress {
    /// Nothing waits yet.
    pub(super) fn begin() -> Self {
        Self {
            opened_at: Instant::now(),
            last_ms: Arc::default(),
        }
    }

    /// A batch has ended, or the first of those who wait has come.
    pub(super) fn mark(&self) {
        let now = u64::try_from(self.opened_at.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.last_ms.store(now, Ordering::Relaxed);
    }

    /// How long ago that was.
    pub(super) fn none_for(&self) -> Duration {
        let last = Duration::from_millis(self.last_ms.load(Ordering::Relaxed));
        self.opened_at.elapsed().saturating_sub(last)
    }
}
