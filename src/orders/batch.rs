//! A batch of moves, in a slot and in the slow lane.
//!
//! In a slot a batch is one transaction. If that fails, the members that are known to be the cause are set
//! aside and the others go on at once; if no cause is known, each is tried alone in the slow lane.

use std::time::{Duration, Instant};

use rand::RngExt;
use tokio::sync::mpsc;

use crate::{
    batching::{
        Answer, Ended, Member, Next, SetAside, Undecided, Work, desk::Desk, desk::retry_after,
        request_ids,
    },
    db::{Fault, orders::moves::Held, outbox::ClaimedEvent},
    held_rows::Row,
    log_floods::{self, Kind},
    metrics::{Meters, Metrics, ReplayLabel},
    vendors::{
        actor::ReserveError,
        directory::VendorDirectory,
        unit_of_work::{Failed, UnitOfWork},
    },
};

use super::{
    attempt::{Outcome, ScriptError, attempt},
    command::{Decision, MoveCommand, Target},
};

/// While PostgreSQL is away there may be many of these.
const FAILED: Kind = Kind {
    what: "batches of moves failed",
    status: 0,
    code: "",
};

/// The most transactions that one batch may take in a slot.
const ROUNDS_MAX: u32 = 4;

/// The wait before a member is tried again whose order is held by others: that is another move of the same
/// group, most of the time, which ends within milliseconds.
const ORDER_HELD_WAIT: Duration = Duration::from_millis(10);

/// The number of times that a member whose order is held comes back to a slot. After that it waits for the
/// order in the slow lane, where PostgreSQL serves those who wait in their order.
const SKIPS_MAX: u32 = 4;

/// The wait before a lone attempt is repeated, times the number of attempts so far, plus as much again at
/// random.
const RETRY_WAIT: Duration = Duration::from_millis(10);

/// The desk at which moves are handed in.
pub type OrderDesk = Desk<OrderBatches>;

pub(super) type MoveMember = Member<OrderBatches>;

/// The limits and tools that every batch works with.
#[derive(Clone, Debug)]
pub struct OrderBatches {
    pub(super) unit: UnitOfWork,
    pub(super) directory: VendorDirectory,
    /// The most line items in a transaction of more than one move.
    pub(super) batch_lines_max: usize,
    /// The time that the statement about stock may take.
    pub(super) stock_wait_max: Duration,
    /// The time that a move waits for rows which others hold.
    pub(super) held_wait_max: Duration,
    /// The most attempts at a lone move.
    pub(super) attempts_max: u32,
    /// The time for which a first answer is kept.
    pub(super) keep_answers_for: Duration,
    /// The time after their commit for which events are claimed by this process.
    pub(super) claim_events_for: Duration,
    /// Takes the events after their commit, to be published.
    pub(super) committed_events: mpsc::Sender<Vec<ClaimedEvent>>,
    pub(super) metrics: Metrics,
}

/// Things learned about a move while it was tried.
#[derive(Debug, Default)]
pub struct Notes {
    /// A commit was sent whose outcome is unknown, so the move may have been made.
    is_commit_unknown: bool,
    /// The time at which the move first had to wait for a row that others held.
    set_aside_at: Option<Instant>,
    /// The number of times that the order was held by others.
    order_held: u32,
    /// The number of line items, once the order was read.
    lines: Option<usize>,
}

/// The next step after a failed attempt.
enum Remedy {
    /// Try once more: the reason is over.
    Again,
    /// Try one by one: any member may be the cause.
    Apart,
    /// Refuse all: none would fare better alone.
    Refuse,
    /// Refuse all, and all that wait: there is no connection to be had.
    DatabaseIsAway,
    /// Set those aside that need these rows, and try the others.
    Without(Vec<Vec<Row>>),
    /// Try those one by one that these rows are wrong for, and the others at once.
    WithoutWrong(Vec<Vec<Row>>),
}

impl Work for OrderBatches {
    type Command = MoveCommand;
    type Notes = Notes;
    type Decision = Decision;
    /// Moves of one order are made in the order of their arrival, and so are requests under one key, whose
    /// path names the order.
    type Lane = Target;

    fn lanes(command: &MoveCommand) -> Vec<Target> {
        vec![command.target]
    }

    fn weight(member: &MoveMember) -> usize {
        // An order is read in the transaction: its weight is known when it had to come back.
        member.notes.lines.unwrap_or(1)
    }

    async fn carry_out(&self, batch: Vec<MoveMember>) -> Ended<Self> {
        self.metrics.order_batch_size.observe(batch.len() as f64);
        let mut ended = Ended::with_all_answered();
        let mut members = batch;
        for _ in 0..ROUNDS_MAX {
            if members.is_empty() {
                return ended;
            }
            match attempt(self, &members, Held::Skip).await {
                Ok(outcomes) => {
                    for (member, outcome) in members.into_iter().zip(outcomes) {
                        self.conclude(member, outcome, &mut ended);
                    }
                    return ended;
                }
                Err(failed) => members = self.after(members, &failed, &mut ended),
            }
        }
        set_apart(members, &mut ended);
        ended
    }

    async fn carry_out_apart(&self, batch: Vec<MoveMember>) -> Ended<Self> {
        let mut ended = Ended::with_all_answered();
        for member in batch {
            if !member.is_abandoned() {
                self.carry_out_alone(member, &mut ended).await;
            }
        }
        ended
    }

    fn count(&self, answer: &Answer<Self>) {
        let outcome = match answer {
            Ok(Decision::Moved(_)) => "moved",
            Ok(Decision::Replayed(_)) => {
                let label = ReplayLabel {
                    source: "postgresql",
                };
                self.metrics.replays.get_or_create(&label).inc();
                "replayed"
            }
            Ok(Decision::Refused(_)) => "refused",
            Err(Undecided::Overloaded { .. }) => "overloaded",
            Err(Undecided::Unavailable) => "unavailable",
            Err(Undecided::Failed) => "failed",
        };
        Metrics::count(&self.metrics.order_moves, outcome);
    }

    fn meters(&self) -> &Meters {
        &self.metrics.order_queue
    }
}

impl OrderBatches {
    /// Does what follows from a failed attempt. Returns the members that are to be tried again at once.
    fn after(
        &self,
        mut members: Vec<MoveMember>,
        failed: &Failed<ScriptError>,
        ended: &mut Ended<Self>,
    ) -> Vec<MoveMember> {
        if log_floods::admits(FAILED) {
            let size = members.len();
            tracing::warn!(
                batch.size = size,
                http.request_ids = request_ids(&members),
                "a batch of {size} moves of orders failed: {failed}"
            );
        }
        for member in &mut members {
            member.notes.is_commit_unknown |= failed.is_commit_unknown();
        }
        match remedy(failed) {
            Remedy::Again => return members,
            Remedy::Apart => set_apart(members, ended),
            Remedy::Refuse => {
                for member in members {
                    self.refuse(member, Duration::ZERO);
                }
            }
            Remedy::DatabaseIsAway => {
                ended.is_database_away = true;
                for member in members {
                    member.answer(self, Err(Undecided::Unavailable));
                }
            }
            Remedy::Without(held) => {
                let mut others = Vec::new();
                for (member, rows) in members.into_iter().zip(held) {
                    if rows.is_empty() {
                        others.push(member);
                    } else {
                        self.wait_for_stock(member, rows, ended);
                    }
                }
                return others;
            }
            Remedy::WithoutWrong(rows) => {
                let members = members.into_iter().zip(rows);
                let (others, wrong): (Vec<_>, Vec<_>) =
                    members.partition(|(_, rows)| rows.is_empty());
                set_apart(wrong.into_iter().map(|(member, _)| member).collect(), ended);
                return others.into_iter().map(|(member, _)| member).collect();
            }
        }
        Vec::new()
    }

    async fn carry_out_alone(&self, member: MoveMember, ended: &mut Ended<Self>) {
        let mut alone = vec![member];
        let mut tries = 0;
        loop {
            tries += 1;
            let failed = match attempt(self, &alone, Held::Wait).await {
                Ok(outcomes) => {
                    for (member, outcome) in alone.into_iter().zip(outcomes) {
                        self.conclude(member, outcome, ended);
                    }
                    return;
                }
                Err(failed) => failed,
            };
            let mut member = alone.pop().expect("one went in");
            member.notes.is_commit_unknown |= failed.is_commit_unknown();
            match remedy(&failed) {
                Remedy::Again if tries < self.attempts_max => {}
                Remedy::Again | Remedy::DatabaseIsAway => {
                    return member.answer(self, Err(Undecided::Unavailable));
                }
                Remedy::Without(mut held) => {
                    let rows = held.pop().unwrap_or_default();
                    return self.wait_for_stock(member, rows, ended);
                }
                Remedy::Refuse => return self.refuse(member, Duration::ZERO),
                // Others hold the order in turn, as the vendors of one group do that decide at once.
                Remedy::Apart if failed.is_busy() && self.may_wait(&mut member) => {
                    return set_apart(vec![member], ended);
                }
                Remedy::Apart | Remedy::WithoutWrong(_) => return self.give_up(member, &failed),
            }
            let wait = RETRY_WAIT * tries;
            tokio::time::sleep(wait + wait.mul_f64(rand::rng().random())).await;
            alone.push(member);
        }
    }

    fn conclude(&self, mut member: MoveMember, outcome: Outcome, ended: &mut Ended<Self>) {
        let next = match outcome {
            Outcome::Decided(decision) => {
                let decision = match decision {
                    // The first answer is the one to this very request, whose commit was not answered.
                    Decision::Replayed(response) if member.notes.is_commit_unknown => {
                        Decision::Moved(Some(response))
                    }
                    decision => decision,
                };
                return member.answer(self, Ok(decision));
            }
            Outcome::OrderHeld => {
                if !self.may_wait(&mut member) {
                    return self.refuse(member, self.held_wait_max);
                }
                member.notes.order_held += 1;
                if member.notes.order_held > SKIPS_MAX {
                    return set_apart(vec![member], ended);
                }
                let wait = ORDER_HELD_WAIT.mul_f64(rand::rng().random_range(0.5..1.5));
                Next::After(Box::pin(tokio::time::sleep(wait)))
            }
            Outcome::TooMuch { lines } => {
                member.notes.lines = Some(lines);
                Next::Again
            }
        };
        ended.undecided.push(SetAside { member, next });
    }

    /// True if a member has not waited too long yet for what others hold.
    fn may_wait(&self, member: &mut MoveMember) -> bool {
        let since = *member.notes.set_aside_at.get_or_insert_with(Instant::now);
        since.elapsed() < self.held_wait_max
    }

    /// Lets a member wait for stock that others hold, unless that has been held for too long already.
    fn wait_for_stock(&self, mut member: MoveMember, rows: Vec<Row>, ended: &mut Ended<Self>) {
        let held_rows = &self.unit.held_rows;
        held_rows.note(rows.iter().copied());
        let since = *member.notes.set_aside_at.get_or_insert_with(Instant::now);
        let held_for = held_rows.held_for(&rows);
        if since.elapsed().max(held_for) >= self.held_wait_max {
            return self.refuse(member, held_for);
        }
        let freed = held_rows.freed(rows, since + self.held_wait_max);
        let next = Next::After(Box::pin(freed));
        ended.undecided.push(SetAside { member, next });
    }

    /// Answers 503 and asks the caller to come back after about `wait`: nothing was done, or the outcome is
    /// unknown.
    fn refuse(&self, member: MoveMember, wait: Duration) {
        let undecided = if member.notes.is_commit_unknown {
            Undecided::Unavailable
        } else {
            Undecided::Overloaded {
                retry_after: retry_after(wait),
            }
        };
        member.answer(self, Err(undecided));
    }

    /// Answers a member that fails alone.
    fn give_up(&self, member: MoveMember, failed: &Failed<ScriptError>) {
        let target = member.command.target;
        if failed.is_busy() {
            tracing::warn!(
                http.request_id = member.request_id(),
                "a move of {target} was refused: {failed}"
            );
            return self.refuse(member, self.held_wait_max);
        }
        // An expiry is tried again and again.
        if member.request_id().is_some() || log_floods::admits(FAILED) {
            tracing::error!(
                http.request_id = member.request_id(),
                "a move of {target} failed: {failed}"
            );
        }
        let undecided = if member.notes.is_commit_unknown {
            Undecided::Unavailable
        } else {
            Undecided::Failed
        };
        member.answer(self, Err(undecided));
    }
}

fn remedy(failed: &Failed<ScriptError>) -> Remedy {
    match failed {
        Failed::Begin(_) => Remedy::DatabaseIsAway,
        Failed::CommitUnknown(_) | Failed::Script(ScriptError::KeyTaken) => Remedy::Again,
        Failed::DeadlinePassed
        | Failed::Script(
            ScriptError::TableLocked(_) | ScriptError::Turn(ReserveError::DeadlinePassed),
        ) => Remedy::Refuse,
        Failed::Script(ScriptError::StockHeld { by_member }) => Remedy::Without(by_member.clone()),
        Failed::Script(ScriptError::Statement(error)) => match error.fault() {
            Fault::Transient | Fault::Unreachable => Remedy::Again,
            Fault::Busy | Fault::Permanent => Remedy::Apart,
        },
        Failed::Script(ScriptError::NotReserved { by_member }) => {
            Remedy::WithoutWrong(by_member.clone())
        }
        Failed::Panicked | Failed::Script(ScriptError::Turn(_)) => Remedy::Apart,
    }
}

fn set_apart(members: Vec<MoveMember>, ended: &mut Ended<OrderBatches>) {
    let apart = members.into_iter().map(|member| SetAside {
        member,
        next: Next::Apart,
    });
    ended.undecided.extend(apart);
}
