//! A batch in one transaction, for as many of its members as can share one.
//!
//! When the attempt fails, whoever is known to be the cause is set aside and the others go on together
//! at once; where the cause is not known, all go to the slow lane, where it is found. A slot never waits
//! twice for the same row.

use std::time::{Duration, Instant};

use crate::{
    batching::{Ended, Next, SetAside, Undecided, desk::retry_after, request_ids},
    log_floods::{self, Kind},
};

use super::{
    super::{command::Decision, held_rows::Row},
    BatchContext, CheckoutMember,
    attempt::{AttemptError, Cause, Outcome, Remedy, attempt},
    script::Sequence,
};

/// While PostgreSQL is away there may be many.
const FAILED: Kind = Kind {
    what: "batches of checkouts failed",
    status: 0,
    code: "",
};

/// However long a row has been held, whoever needs it is asked to wait for no longer.
const RETRY_AFTER_HELD_MAX: Duration = Duration::from_secs(8);
/// How many transactions one batch may take.
const ROUNDS_MAX: u32 = 4;

/// Members that are to share a transaction.
struct Group {
    members: Vec<CheckoutMember>,
    sequence: Sequence,
}

pub(super) async fn run(context: &BatchContext, batch: Vec<CheckoutMember>) -> Ended<BatchContext> {
    let mut ended = Ended::with_all_answered();
    let members = without_the_held(context, batch, &mut ended);
    let mut groups = vec![Group {
        members,
        sequence: Sequence::WritesFirst,
    }];
    let mut rounds = 0;
    while let Some(Group { members, sequence }) = groups.pop() {
        if members.is_empty() {
            continue;
        }
        rounds += 1;
        let failure = match attempt(context, &members, sequence, None).await {
            Ok(outcomes) => {
                for (member, outcome) in members.into_iter().zip(outcomes) {
                    settle(context, member, outcome, &mut ended);
                }
                continue;
            }
            Err(failure) => failure,
        };
        let (members, error) = (learn(context, members, &failure.error), failure.error);
        let is_partitioned = failure.causes.iter().any(|cause| *cause != Cause::Unknown);
        match error.remedy() {
            Remedy::DatabaseIsAway => {
                ended.is_database_away = true;
                for member in members {
                    member.answer(context, Err(Undecided::Unavailable));
                }
            }
            Remedy::Refuse => {
                for member in members {
                    refuse(context, member, Duration::ZERO);
                }
            }
            Remedy::Apart if !is_partitioned => set_apart(members, &mut ended),
            Remedy::Again | Remedy::Apart if rounds >= ROUNDS_MAX => set_apart(members, &mut ended),
            Remedy::Again | Remedy::Apart => {
                let causes = members.into_iter().zip(failure.causes);
                groups.extend(partition(context, causes, sequence, &error, &mut ended));
            }
        }
    }
    ended
}

/// What is known beforehand need not be found out: carts whose rows are held are not even read, nor are
/// those that were held up a moment ago by what could not be seen.
fn without_the_held(
    context: &BatchContext,
    batch: Vec<CheckoutMember>,
    ended: &mut Ended<BatchContext>,
) -> Vec<CheckoutMember> {
    let mut free = Vec::with_capacity(batch.len());
    for member in batch {
        let cart = member.command.request.asked_cart();
        if let Some(wait) = context.held_rows.stuck_for(cart) {
            refuse(context, member, wait);
            continue;
        }
        let held = context.held_rows.in_the_way_of(cart);
        if held.is_empty() {
            free.push(member);
        } else {
            wait_for(context, member, held, ended);
        }
    }
    free
}

/// Says what has failed, and notes what is to be known when its members are tried again.
fn learn(
    context: &BatchContext,
    mut members: Vec<CheckoutMember>,
    error: &AttemptError,
) -> Vec<CheckoutMember> {
    let size = members.len();
    if !matches!(error, AttemptError::StockMoved) {
        if log_floods::admits(FAILED) {
            tracing::warn!(
                batch.size = size,
                http.request_ids = request_ids(&members),
                "a batch of {size} checkouts failed: {error}"
            );
        }
        context.metrics.batch_retries.inc_by(size as u64);
    }
    for member in &mut members {
        member.notes.is_commit_unknown |= error.is_commit_unknown();
    }
    members
}

/// Sets those aside who need what somebody else holds, and says who is to be tried again with whom.
fn partition(
    context: &BatchContext,
    members: impl Iterator<Item = (CheckoutMember, Cause)>,
    sequence: Sequence,
    error: &AttemptError,
    ended: &mut Ended<BatchContext>,
) -> Vec<Group> {
    let (mut others, mut moved) = (Vec::new(), Vec::new());
    for (member, cause) in members {
        match cause {
            Cause::Unknown => others.push(member),
            Cause::StockMoved => moved.push(member),
            Cause::Held(rows) => wait_for(context, member, rows, ended),
            Cause::KeyHeld => set_apart(vec![member], ended),
        }
    }
    if !matches!(error, AttemptError::StockMoved) {
        return vec![Group {
            members: others,
            sequence,
        }];
    }
    // Stock first keeps rows and turns for as long as everything takes to be written. A transaction of
    // their own for a few is cheaper than that for all.
    if moved.is_empty() || moved.len() > others.len() {
        moved.extend(others);
        moved.sort_unstable_by_key(|member| member.queued_at);
        others = Vec::new();
    }
    let group = |members, sequence| Group { members, sequence };
    vec![
        group(others, Sequence::WritesFirst),
        group(moved, Sequence::StockFirst),
    ]
}

pub(super) fn settle(
    context: &BatchContext,
    mut member: CheckoutMember,
    outcome: Outcome,
    ended: &mut Ended<BatchContext>,
) {
    match outcome {
        Outcome::Decided(decision) => {
            let decision = match decision {
                // It is the answer to this very request, whose commit was not answered.
                Decision::Replayed(response) if member.notes.is_commit_unknown => {
                    Decision::Created(response)
                }
                decision => decision,
            };
            member.answer(context, Ok(decision));
        }
        Outcome::Held(rows) => wait_for(context, member, rows, ended),
        Outcome::TooMuch { lines } => {
            member.notes.lines = Some(lines);
            let next = if lines > context.heavy_from() {
                Next::Apart
            } else {
                Next::Again
            };
            ended.undecided.push(SetAside { member, next });
        }
    }
}

/// Lets a member wait for rows that somebody else holds, if they have not been held for long.
pub(super) fn wait_for(
    context: &BatchContext,
    mut member: CheckoutMember,
    rows: Vec<Row>,
    ended: &mut Ended<BatchContext>,
) {
    let cart = member.command.request.asked_cart();
    context.held_rows.note(rows.iter().copied());
    context.held_rows.note_needs(cart, &rows);
    let since = *member.notes.set_aside_at.get_or_insert_with(Instant::now);
    let patience = context.held_wait_max;
    if since.elapsed() >= patience || context.held_rows.held_for(&rows) >= patience {
        let held_for = context.held_rows.held_for(&rows).min(RETRY_AFTER_HELD_MAX);
        return refuse(context, member, held_for);
    }
    let next = Next::After(Box::pin(context.held_rows.freed(rows, since + patience)));
    ended.undecided.push(SetAside { member, next });
}

/// Says 503, and to come back after about that time: nothing was done, or what was done is unknown.
pub(super) fn refuse(context: &BatchContext, member: CheckoutMember, wait: Duration) {
    let undecided = if member.notes.is_commit_unknown {
        Undecided::Unavailable
    } else {
        Undecided::Overloaded {
            retry_after: retry_after(wait),
        }
    };
    member.answer(context, Err(undecided));
}

fn set_apart(members: Vec<CheckoutMember>, ended: &mut Ended<BatchContext>) {
    let apart = members.into_iter().map(|member| SetAside {
        member,
        next: Next::Apart,
    });
    ended.undecided.extend(apart);
}
