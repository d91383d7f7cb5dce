//! The turns that one vendor's actor has given, and the lines that were asked of the vendor. The counters live as long as the actor's entry in the
//! directory. The actors' thread only adds to them; the console reads them once a second.

use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use crate::domain::ids::VendorStoreId;

/// The share of the newest look in [`Pace::heat`]: it follows a change within a few looks, and a single
/// second does not reorder the hottest vendors.
const NEWEST_SHARE: f64 = 0.3;
/// A transaction that waits for a vendor makes it as hot as so many lines a second.
const LINES_PER_WAITING: f64 = 20.0;

/// The counters of one vendor.
#[derive(Debug)]
pub(super) struct Activity {
    begun_at: Instant,
    turns: AtomicU64,
    waited_ns: AtomicU64,
    lines: AtomicU64,
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
    lines: u64,
    pace: Pace,
    slot: Option<u16>,
}

/// The pace of an actor between two looks.
#[derive(Clone, Copy, Debug, Default)]
pub struct Pace {
    /// The average wait for the turns that were given. If none was given although others wait, the time
    /// since the last one.
    pub wait: Duration,
    pub turns_per_s: f64,
    /// Lines of checkouts that asked for the vendor's stock, those of repeated attempts included.
    pub lines_per_s: f64,
    /// The average number of transactions that wait for the vendor, smoothed over a few looks.
    pub waiting: f64,
    /// The rank among the hottest: lines a second and waiting transactions, smoothed over a few looks.
    pub heat: f64,
}

/// A live actor as a look finds it.
#[derive(Debug)]
pub struct Sighting<'a> {
    pub vendor: VendorStoreId,
    /// The places taken in the mailbox, the turn that is out included.
    pub depth: usize,
    /// The pace since the previous look.
    pub pace: Pace,
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
            lines: AtomicU64::new(0),
            last_turn_after_ns: AtomicU64::new(0),
            seen: Mutex::new(Seen {
                at: now,
                turns: 0,
                waited_ns: 0,
                lines: 0,
                pace: Pace::default(),
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

    /// Counts lines of checkouts that ask for the vendor's stock.
    pub(super) fn count_lines(&self, lines: u64) {
        self.lines.fetch_add(lines, Ordering::Relaxed);
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
        let lines = self.lines.load(Ordering::Relaxed);
        let new_lines = lines - seen.lines;
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
        let lines_per_s = new_lines as f64 / elapsed_s;
        let waiting = waited_per_s.max(waiting as f64);
        let heat = lines_per_s + waiting * LINES_PER_WAITING;
        let smooth = |before: f64, now: f64| before + (now - before) * NEWEST_SHARE;
        seen.pace = Pace {
            wait,
            turns_per_s: new_turns as f64 / elapsed_s,
            lines_per_s,
            waiting: smooth(seen.pace.waiting, waiting),
            heat: smooth(seen.pace.heat, heat),
        };
        (seen.at, seen.turns, seen.waited_ns) = (now, turns, waited_ns);
        seen.lines = lines;
        see(Sighting {
            vendor,
            depth,
            pace: seen.pace,
            slot: &mut seen.slot,
        });
    }
}

impl Activity {
    /// The pace that the last look has seen.
    pub(super) fn last_seen(&self) -> Pace {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.pace
    }
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn look(activity: &Activity, depth: usize) -> Pace {
        let mut found = None;
        activity.look(VendorStoreId::new(Uuid::nil()), depth, &mut |sighting| {
            found = Some(sighting.pace);
        });
        found.expect("a look sees")
    }

    #[test]
    fn a_look_averages_what_came_since_the_previous_one() {
        let activity = Activity::new();
        activity.count_turn(Duration::from_millis(10));
        activity.count_turn(Duration::from_millis(30));
        activity.count_lines(7);

        let pace = look(&activity, 1);

        assert_eq!(pace.wait, Duration::from_millis(20));
        assert!((pace.lines_per_s / pace.turns_per_s - 3.5).abs() < 1e-6);
        let next = look(&activity, 0);
        assert_eq!(next.wait, Duration::ZERO);
        assert!(next.turns_per_s + next.lines_per_s < f64::EPSILON);
        assert!(0.0 < next.heat && next.heat < pace.heat);
    }

    #[test]
    fn a_mailbox_that_stands_still_waits_longer_with_every_look() {
        let activity = Activity::new();
        let first = look(&activity, 3).wait;
        let second = look(&activity, 3).wait;
        assert!(first < second, "{first:?} {second:?}");
        assert_eq!(look(&activity, 1).wait, Duration::ZERO);
    }

    #[test]
    fn a_vendor_that_others_wait_for_is_hotter_than_one_with_some_more_lines() {
        let (waited_for, busy) = (Activity::new(), Activity::new());
        busy.count_lines(1);
        std::hint::black_box(look(&busy, 1));
        let mut heats = (0.0, 0.0);
        for _ in 0..30 {
            heats = (look(&waited_for, 2).heat, look(&busy, 1).heat);
        }
        assert!(heats.0 > 19.0 && heats.1 < 1.0, "{heats:?}");
    }
}
