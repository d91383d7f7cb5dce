//! A batch in a slot: one transaction, for as many of its members as can share one.
//!
//! When the attempt fails, the members that are known to be the cause are set aside and the others go on
//! together at once. If no cause is known, all go to the slow lane, where it is found. A slot never waits
//! twice for the same row.

use std::time::Duration;

use crate::{
    batching::{Ended, Undecided, request_ids},
    log_floods::{self, Kind},
};

use super::{
    BatchContext, CheckoutMember,
    attempt::attempt,
    failure::{AttemptError, Cause, Remedy},
    outcome::{conclude, refuse, set_apart, wait_for},
    script::Sequence,
};

/// While PostgreSQL is away there may be many of these.
const FAILED: Kind = Kind {
    what: "batches of checkouts failed",
    status: 0,
    code: "",
};

/// The most transactions that one batch may take.
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
                    conclude(context, member, outcome, &mut ended);
                }
                continue;
            }
            Err(failure) => failure,
        };
        let (members, error) = (
            note_failure(context, members, &failure.error),
            failure.error,
        );
        let is_cause_known = failure.causes.iter().any(|cause| *cause != Cause::Unknown);
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
            Remedy::Apart if !is_cause_known => set_apart(members, &mut ended),
            Remedy::Again | Remedy::Apart if rounds >= ROUNDS_MAX => set_apart(members, &mut ended),
            Remedy::Again | Remedy::Apart => {
                let causes = members.into_iter().zip(failure.causes);
                groups.extend(regroup(context, causes, sequence, &error, &mut ended));
            }
        }
    }
    ended
}

/// The members of which it is not known beforehand that they would be held up. Carts whose rows are held
/// are not even read, nor are carts that were held up a moment ago by something that no look can find. When
/// such a cart comes back later, the others need not find out with it whether it still is.
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
        if context.held_rows.may_be_stuck(cart) {
            set_apart([member], ended);
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

/// Logs and counts a failure, and notes in the members what is to be known when they are tried again.
fn note_failure(
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

/// Sets the members aside that need what others hold, and groups the rest for the next attempts.
fn regroup(
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
            Cause::KeyHeld => set_apart([member], ended),
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
