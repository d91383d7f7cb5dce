//! The turns that one vendor's actor has given. The counters live as long as the actor's entry in the
//! directory. The actor's thread only adds to them; the console reads them once a second.

use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use crate::domain::ids::VendorStoreId;

/// The share of the newest look in [`Sighting::heat`]: it follows a change within a few looks, and a single
/// second does not reorder the hottest vendors.
const NEWEST_SHARE: f64 = 0.3;

/// The counters of one vendor.
#[derive(Debug)]
pub(super) struct Activity {
    begun_at: Instant,
    turns: AtomicU64,
    waited_ns: AtomicU64,
    /// The time from `begun_at` until a turn was last given.
    last_turn_after_ns: AtomicU64,
    seen: Mutex<Seen>,
}

/// The state at the previous look. Nothing but a look takes its lock.
#[derive(Debug)]
struct Seen {
    at: Instant,
    turns: u64,
    waited_ns: u64,
    heat: f64,
    wait: Duration,
    turns_per_s: f64,
    slot: Option<u16>,
}

/// A live actor as a look finds it.
#[derive(Debug)]
pub struct Sighting<'a> {
    pub vendor: VendorStoreId,
    /// The places taken in the mailbox, the turn that is out included.
    pub depth: usize,
    /// The average wait for the turns that were given since the previous look. If none was given although
    /// others wait, the time since the last one.
    pub wait: Duration,
    pub turns_per_s: f64,
    /// The average number of transactions that wait for this vendor, smoothed over a few looks.
    pub heat: f64,
    /// The place in the console's map, which the looker assigns.
    pub slot: &'a mut Option<u16>,
}

impl Activity {
    pub(super) fn new() -> Self {
        let now = Instant::now();
        Self {
            begun_at: now,
            turns: AtomicU64::new(0),
            waited_ns: AtomicU64::new(0),
            last_turn_after_ns: AtomicU64::new(0),
            seen: Mutex::new(Seen {
                at: now,
                turns: 0,
                waited_ns: 0,
                heat: 0.0,
                wait: Duration::ZERO,
                turns_per_s: 0.0,
                slot: None,
            }),
        }
    }

    /// Counts a turn that is given now.
    pub(super) fn count_turn(&self, waited: Duration) {
        self.turns.fetch_add(1, Ordering::Relaxed);
        self.waited_ns.fetch_add(nanos(waited), Ordering::Relaxed);
        let after = nanos(self.begun_at.elapsed());
        self.last_turn_after_ns.store(after, Ordering::Relaxed);
    }

    pub(super) fn look(
        &self,
        vendor: VendorStoreId,
        depth: usize,
        see: &mut impl FnMut(Sighting<'_>),
    ) {
        let now = Instant::now();
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let turns = self.turns.load(Ordering::Relaxed);
        let waited_ns = self.waited_ns.load(Ordering::Relaxed);
        let (new_turns, new_waited_ns) = (turns - seen.turns, waited_ns - seen.waited_ns);
        let elapsed_s = now.duration_since(seen.at).as_secs_f64().max(0.001);
        let waiting = depth.saturating_sub(1);
        let wait = if let Some(average) = new_waited_ns.checked_div(new_turns) {
            Duration::from_nanos(average)
        } else if waiting > 0 {
            let last = Duration::from_nanos(self.last_turn_after_ns.load(Ordering::Relaxed));
            now.saturating_duration_since(self.begun_at + last)
        } else {
            Duration::ZERO
        };
        let waited_per_s = new_waited_ns as f64 / 1e9 / elapsed_s;
        let heat = waited_per_s.max(waiting as f64);
        seen.heat += (heat - seen.heat) * NEWEST_SHARE;
        (seen.at, seen.turns, seen.waited_ns) = (now, turns, waited_ns);
        (seen.wait, seen.turns_per_s) = (wait, new_turns as f64 / elapsed_s);
        see(Sighting {
            vendor,
            depth,
            wait,
            turns_per_s: seen.turns_per_s,
            heat: seen.heat,
            slot: &mut seen.slot,
        });
    }
}

impl Activity {
    /// The wait and the turns a second that the last look has seen.
    pub(super) fn last_seen(&self) -> (Duration, f64) {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        (seen.wait, seen.turns_per_s)
    }
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn look(activity: &Activity, depth: usize) -> (Duration, f64, f64) {
        let mut found = None;
        activity.look(VendorStoreId::new(Uuid::nil()), depth, &mut |sighting| {
            found = Some((sighting.wait, sighting.turns_per_s, sighting.heat));
        });
        found.expect("a look sees")
    }

    #[test]
    fn a_look_averages_the_turns_since_the_previous_one() {
        let activity = Activity::new();
        activity.count_turn(Duration::from_millis(10));
        activity.count_turn(Duration::from_millis(30));

        let (wait, turns_per_s, heat) = look(&activity, 1);

        assert_eq!(wait, Duration::from_millis(20));
        assert!(turns_per_s > 0.0 && heat > 0.0);
        let (wait, turns_per_s, cooler) = look(&activity, 0);
        assert_eq!((wait, turns_per_s), (Duration::ZERO, 0.0));
        assert!(cooler < heat);
    }

    #[test]
    fn a_mailbox_that_stands_still_waits_longer_with_every_look() {
        let activity = Activity::new();
        let (first, ..) = look(&activity, 3);
        let (second, ..) = look(&activity, 3);
        assert!(first < second, "{first:?} {second:?}");
        assert_eq!(look(&activity, 1).0, Duration::ZERO);
    }
}
