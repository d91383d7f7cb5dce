//! The times of one attempt at a batch, statement by statement. The attempt and whoever it lends its
//! transaction to share them, so they are known even if the transaction is lost.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use super::{Stage, StageTimes, span_ids::SpanIds};

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
    failed: Option<Failed>,
    /// `None` while no member is traced.
    traced: Option<Box<TracedBatch>>,
}

/// The failure of an attempt.
#[derive(Clone, Copy, Debug)]
pub struct Failed {
    pub at: Instant,
    /// Such as `stock_moved`.
    pub because: &'static str,
}

/// A batch as a span in a trace of its own.
#[derive(Clone, Debug)]
pub struct TracedBatch {
    pub ids: SpanIds,
    /// The spans of its members.
    pub members: Vec<SpanIds>,
    is_reported: bool,
}

/// The laps of a batch that succeeds, without one more allocation.
const USUAL: usize = 16;

impl Laps {
    /// The first lap begins now.
    pub fn begin() -> Self {
        Self(Arc::new(Mutex::new(Run {
            began_at: Instant::now(),
            laps: Vec::with_capacity(USUAL),
            failed: None,
            traced: None,
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

    /// Notes that the attempt fails now.
    pub fn fail(&self, because: &'static str) {
        let at = Instant::now();
        self.run().failed = Some(Failed { at, because });
    }

    /// The failure of the attempt, if it has failed.
    pub fn failed(&self) -> Option<Failed> {
        self.run().failed
    }

    /// Adds a member whose request is traced. The batch gets its own trace with the first one.
    pub fn add_traced(&self, member: SpanIds) {
        let mut run = self.run();
        let batch = run.traced.get_or_insert_with(|| {
            Box::new(TracedBatch {
                ids: SpanIds::new_trace(true),
                members: Vec::new(),
                is_reported: false,
            })
        });
        batch.members.push(member);
    }

    /// The span of the batch, if a member is traced.
    pub fn batch_ids(&self) -> Option<SpanIds> {
        self.run().traced.as_ref().map(|batch| batch.ids)
    }

    /// The batch, for the first who asks: its span is reported once, however many members are.
    pub fn report_batch(&self) -> Option<TracedBatch> {
        let mut run = self.run();
        let batch = run.traced.as_mut()?;
        let is_first = !std::mem::replace(&mut batch.is_reported, true);
        is_first.then(|| (**batch).clone())
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
    fn a_batch_is_reported_once_with_all_its_members() {
        let laps = Laps::begin();
        assert!(laps.batch_ids().is_none() && laps.report_batch().is_none());
        let members = [SpanIds::new_trace(true), SpanIds::new_trace(false)];
        for member in members {
            laps.add_traced(member);
        }
        let batch = laps.clone().report_batch().unwrap();
        assert_eq!(batch.members, members);
        assert_eq!(laps.batch_ids(), Some(batch.ids));
        assert!(laps.report_batch().is_none());
    }

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
