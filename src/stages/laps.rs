//! The times of one attempt at a batch, statement by statement. The attempt and whoever it lends its
//! transaction to share them, so they are known even if the transaction is lost.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use super::{Stage, StageTimes};

/// A piece of work of an attempt.
#[derive(Clone, Copy, Debug)]
pub struct Lap {
    pub stage: Stage,
    /// Such as `lock carts`.
    pub name: &'static str,
    pub began_at: Instant,
    pub ended_at: Instant,
}

/// The laps of an attempt. Clones share them.
#[derive(Clone, Debug)]
pub struct Laps(Arc<Mutex<Run>>);

#[derive(Debug)]
struct Run {
    began_at: Instant,
    laps: Vec<Lap>,
}

/// The laps of a batch that succeeds, without one more allocation.
const USUAL: usize = 16;

impl Laps {
    /// The first lap begins now.
    pub fn begin() -> Self {
        Self(Arc::new(Mutex::new(Run {
            began_at: Instant::now(),
            laps: Vec::with_capacity(USUAL),
        })))
    }

    /// Ends a lap now; the next one begins.
    pub fn end(&self, stage: Stage, name: &'static str) {
        let ended_at = Instant::now();
        let mut run = self.run();
        let began_at = run.last_ended_at();
        run.laps.push(Lap {
            stage,
            name,
            began_at,
            ended_at,
        });
    }

    /// The time at which the first lap began.
    pub fn began_at(&self) -> Instant {
        self.run().began_at
    }

    /// The laps so far, in their order.
    pub fn list(&self) -> Vec<Lap> {
        self.run().laps.clone()
    }

    /// Adds the laps' times to those of their stages. Returns the end of the last lap.
    pub fn add_to(&self, times: &mut StageTimes) -> Instant {
        let run = self.run();
        for lap in &run.laps {
            times.add(lap.stage, lap.ended_at.duration_since(lap.began_at));
        }
        run.last_ended_at()
    }

    fn run(&self) -> MutexGuard<'_, Run> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Run {
    fn last_ended_at(&self) -> Instant {
        self.laps.last().map_or(self.began_at, |lap| lap.ended_at)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn laps_follow_each_other_without_a_gap_and_add_up() {
        let laps = Laps::begin();
        let shared = laps.clone();
        shared.end(Stage::Begin, "begin");
        laps.end(Stage::Reads, "lock carts");
        laps.end(Stage::Reads, "read snapshots");
        let list = laps.list();
        assert_eq!(list[0].began_at, laps.began_at());
        assert!(
            list.windows(2)
                .all(|two| two[0].ended_at == two[1].began_at)
        );
        let mut times = StageTimes::default();
        let end = laps.add_to(&mut times);
        assert_eq!(end, list[2].ended_at);
        assert_eq!(times.sum(), end - laps.began_at());
        assert_eq!(times.of(Stage::Reads), end - list[1].began_at);
        assert_eq!(times.of(Stage::Commit), Duration::ZERO);
    }
}
