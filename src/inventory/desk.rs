//! The desk of stock counts: tries a count until it is decided, refused or has to wait for rows that others
//! hold.

use std::time::{Duration, Instant};

use chrono::TimeDelta;
use rand::RngExt;
use tokio::sync::mpsc;

use crate::{
    batching::{
        Answer, Ended, Member, Next, SetAside, Undecided, Work,
        desk::{Desk, retry_after},
    },
    db::outbox::ClaimedEvent,
    domain::{
        ids::StoreId,
        stock_count::{CountResult, CountedItem},
    },
    held_rows::Row,
    metrics::{Meters, Metrics, ReplayLabel},
    vendors::{
        Vendors,
        unit_of_work::{Failed, UnitOfWork},
    },
};

use super::{
    command::{CountStock, Decision},
    failure::{Remedy, ScriptError},
    script::{Script, Scripted},
};

/// The longest time after which a caller that needs a held row is asked to come back.
const RETRY_AFTER_HELD_MAX: Duration = Duration::from_secs(8);
/// The wait before an attempt is repeated, times the number of attempts so far, plus as much again at
/// random: enough for the other side of a deadlock to finish.
const RETRY_WAIT: Duration = Duration::from_millis(10);

/// The desk at which counts are handed in.
pub type CountDesk = Desk<CountContext>;

type CountMember = Member<CountContext>;

/// The limits and tools that every count works with.
#[derive(Clone, Debug)]
pub struct CountContext {
    /// Its pool was opened on the actors' arbiter.
    pub(super) unit_of_work: UnitOfWork,
    pub(super) vendors: Vendors,
    /// The time that a count waits for rows which others hold, once that is known.
    pub(super) held_wait_max: Duration,
    pub(super) attempts_max: u32,
    /// The time for which a first answer is kept.
    pub(super) keep_answers_for: TimeDelta,
    /// The time after their commit for which events are claimed by this process.
    pub(super) claim_events_for: Duration,
    /// Takes the events after their commit, to be published.
    pub(super) committed_events: mpsc::Sender<Vec<ClaimedEvent>>,
}

/// Things learned about a count while it was tried.
#[derive(Debug, Default)]
pub struct Notes {
    /// A commit was sent whose outcome is unknown, so the count may have been carried out.
    is_commit_unknown: bool,
    /// The time at which the count first had to wait for a row that others held.
    set_aside_at: Option<Instant>,
    tries: u32,
}

impl Work for CountContext {
    type Command = CountStock;
    type Notes = Notes;
    type Decision = Decision;
    /// Counts of one vendor take effect in the order in which they arrive. A key belongs to one store.
    type Lane = StoreId;

    fn lanes(command: &CountStock) -> Vec<StoreId> {
        vec![command.store_id]
    }

    fn weight(member: &CountMember) -> usize {
        member.command.items.len()
    }

    async fn carry_out(&self, batch: Vec<CountMember>) -> Ended<Self> {
        let mut ended = Ended::with_all_answered();
        for member in batch {
            self.carry_out_one(member, &mut ended).await;
        }
        ended
    }

    async fn carry_out_apart(&self, batch: Vec<CountMember>) -> Ended<Self> {
        self.carry_out(batch).await
    }

    fn count(&self, answer: &Answer<Self>) {
        if let Ok(Decision::Replayed(_)) = answer {
            let source = ReplayLabel {
                source: "postgresql",
            };
            let replays = &self.vendors.metrics.replays;
            replays.get_or_create(&source).inc();
        }
    }

    fn meters(&self) -> &Meters {
        &self.vendors.metrics.count_queue
    }
}

impl CountContext {
    async fn carry_out_one(&self, mut member: CountMember, ended: &mut Ended<Self>) {
        loop {
            let started = Instant::now();
            let script = Script {
                context: self,
                command: &member.command,
            };
            let attempt = self
                .unit_of_work
                .carry_out(async |work| script.run(work).await);
            let error = match attempt.await {
                Ok(Scripted {
                    decision,
                    items,
                    events,
                }) => {
                    if !events.is_empty() {
                        // A relay that is behind finds them in the outbox when their claim has ended.
                        drop(self.committed_events.try_send(events));
                    }
                    self.count_rows(&items);
                    let took_s = started.elapsed().as_secs_f64();
                    self.vendors.metrics.count_duration.observe(took_s);
                    let decision = match decision {
                        // The first answer is the one to this very request, whose commit was not answered.
                        Decision::Replayed(response) if member.notes.is_commit_unknown => {
                            Decision::Counted(response)
                        }
                        decision => decision,
                    };
                    return member.answer(self, Ok(decision));
                }
                Err(error) => error,
            };
            member.notes.is_commit_unknown |= error.is_commit_unknown();
            let remedy = match Remedy::of(&error) {
                Remedy::WaitFor(rows) => return self.wait_for(member, rows, ended),
                remedy => remedy,
            };
            member.notes.tries += 1;
            let is_last = member.notes.tries >= self.attempts_max;
            if is_last || !matches!(remedy, Remedy::Again | Remedy::AgainThenRefuse) {
                return self.give_up(member, &error, &remedy, ended);
            }
            tracing::warn!(
                http.request_id = member.request_id(),
                "trying a stock count again: {error}"
            );
            let wait = RETRY_WAIT * member.notes.tries;
            tokio::time::sleep(wait + wait.mul_f64(rand::rng().random())).await;
        }
    }

    /// Lets a count wait for rows that others hold, unless they have been held for too long already.
    fn wait_for(&self, mut member: CountMember, rows: Vec<Row>, ended: &mut Ended<Self>) {
        let held_rows = &self.vendors.held_rows;
        held_rows.note(rows.iter().copied());
        let since = *member.notes.set_aside_at.get_or_insert_with(Instant::now);
        let held_for = held_rows.held_for(&rows);
        if since.elapsed() >= self.held_wait_max || held_for >= self.held_wait_max {
            return self.refuse(member, held_for.min(RETRY_AFTER_HELD_MAX));
        }
        let freed = held_rows.freed(rows, since + self.held_wait_max);
        let next = Next::After(Box::pin(freed));
        ended.undecided.push(SetAside { member, next });
    }

    /// Answers a count that is not tried again.
    fn give_up(
        &self,
        member: CountMember,
        error: &Failed<ScriptError>,
        remedy: &Remedy,
        ended: &mut Ended<Self>,
    ) {
        if *remedy == Remedy::Fail {
            tracing::error!(
                http.request_id = member.request_id(),
                "a stock count failed: {error}"
            );
        } else {
            tracing::warn!(
                http.request_id = member.request_id(),
                "a stock count was refused: {error}"
            );
        }
        match remedy {
            Remedy::DatabaseIsAway | Remedy::Again => {
                ended.is_database_away |= *remedy == Remedy::DatabaseIsAway;
                member.answer(self, Err(Undecided::Unavailable));
            }
            Remedy::Refuse | Remedy::AgainThenRefuse | Remedy::WaitFor(_) => {
                self.refuse(member, Duration::ZERO);
            }
            Remedy::Fail => {
                let undecided = if member.notes.is_commit_unknown {
                    Undecided::Unavailable
                } else {
                    Undecided::Failed
                };
                member.answer(self, Err(undecided));
            }
        }
    }

    /// Answers 503 and asks the caller to come back after about `wait`: nothing was done, or the outcome is
    /// unknown.
    fn refuse(&self, member: CountMember, wait: Duration) {
        let undecided = if member.notes.is_commit_unknown {
            Undecided::Unavailable
        } else {
            Undecided::Overloaded {
                retry_after: retry_after(wait),
            }
        };
        member.answer(self, Err(undecided));
    }

    fn count_rows(&self, items: &[CountedItem]) {
        for item in items {
            let outcome = match item.result {
                CountResult::Changed => "changed",
                CountResult::Unchanged => "unchanged",
                CountResult::Refused(_) => "refused",
            };
            Metrics::count(&self.vendors.metrics.counted_rows, outcome);
        }
    }
}
