//! A vendor's turn, and the place in its mailbox that comes before it.
//!
//! A place is taken before a message is sent to a vendor's actor. It travels with the message and then
//! with the turn, and is given up when the turn ends or the message is lost. An actor with a place taken is
//! never put away.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use prometheus_client::metrics::gauge::Gauge;
use tokio::sync::oneshot;

use crate::domain::ids::VendorStoreId;

use super::activity::Activity;

/// The places that are taken in one vendor's mailbox, the turn that is out included.
#[derive(Debug)]
pub(super) struct Places {
    vendor: VendorStoreId,
    taken: AtomicUsize,
    opened_at: Instant,
    /// The time from `opened_at` until a place was last given up.
    left_after_ns: AtomicU64,
    /// The places of all vendors.
    depth: Gauge,
    pub(super) activity: Activity,
}

impl Places {
    pub(super) fn new(vendor: VendorStoreId, depth: Gauge) -> Self {
        Self {
            vendor,
            taken: AtomicUsize::new(0),
            opened_at: Instant::now(),
            left_after_ns: AtomicU64::new(0),
            depth,
            activity: Activity::new(),
        }
    }

    /// Takes a place. The caller holds the lock of the directory's entry, so that no actor is put away
    /// meanwhile.
    pub(super) fn take(self: &Arc<Self>) -> Place {
        self.taken.fetch_add(1, Ordering::Relaxed);
        self.depth.inc();
        Place(Arc::clone(self))
    }

    pub(super) fn taken(&self) -> usize {
        self.taken.load(Ordering::Acquire)
    }

    /// True if no place has been taken for `idle_max`.
    pub(super) fn are_idle(&self, now: Instant, idle_max: Duration) -> bool {
        if self.taken() > 0 {
            return false;
        }
        let left_after = Duration::from_nanos(self.left_after_ns.load(Ordering::Relaxed));
        now.saturating_duration_since(self.opened_at + left_after) >= idle_max
    }
}

/// A place in a vendor's mailbox. Dropping it gives it up.
#[derive(Debug)]
pub(crate) struct Place(Arc<Places>);

impl Drop for Place {
    fn drop(&mut self) {
        let Places {
            taken,
            opened_at,
            left_after_ns,
            depth,
            ..
        } = &*self.0;
        let left_after = u64::try_from(opened_at.elapsed().as_nanos()).unwrap_or(u64::MAX);
        left_after_ns.store(left_after, Ordering::Relaxed);
        // Stored first: a reader that sees no place taken also sees since when.
        taken.fetch_sub(1, Ordering::Release);
        depth.dec();
    }
}

impl Place {
    /// Counts the turn that its holder gets.
    pub(super) fn count_turn(&self, waited: Duration) {
        self.0.activity.count_turn(waited);
    }
}

/// A vendor's turn: while it is held, the vendor's actor takes no other reservation and is not put
/// away. Dropping it gives it back.
#[derive(Debug)]
pub struct Turn {
    #[expect(dead_code, reason = "dropping it is its whole use")]
    given_back: oneshot::Sender<()>,
    /// Given up last: an actor that still waits for its turn must not be put away.
    place: Place,
}

impl Turn {
    /// A turn for the holder of a place, and what resolves when it has been given back.
    pub(super) fn give(place: Place) -> (Self, oneshot::Receiver<()>) {
        let (given_back, resolves) = oneshot::channel();
        (Self { given_back, place }, resolves)
    }

    /// The vendor whose turn it is.
    pub(super) fn vendor(&self) -> VendorStoreId {
        self.place.0.vendor
    }
}
