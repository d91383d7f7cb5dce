//! The outcomes of members in an attempt that did not fail, and what follows from them: an answer, a wait,
//! the slow lane.

use std::time::{Duration, Instant};

use crate::{
    batching::{Ended, Next, SetAside, Undecided, desk::retry_after},
    held_rows::Row,
};

use super::{super::command::Decision, BatchContext, CheckoutMember};

/// The longest time after which a caller that needs a held row is asked to come back.
const RETRY_AFTER_HELD_MAX: Duration = Duration::from_secs(8);

/// The outcome of a member in an attempt that did not fail.
pub(super) enum Outcome {
    Decided(Decision),
    /// The member needs rows that others hold. Nothing was written for it.
    Held(Vec<Row>),
    /// The member does not fit into the transaction with the others. Nothing was written for it.
    TooMuch {
        /// The number of lines of its cart.
        lines: usize,
    },
}

impl Outcome {
    pub(super) fn is_decided(&self) -> bool {
        matches!(self, Self::Decided(_))
    }
}

/// Does what follows from an outcome.
pub(super) fn conclude(
    context: &BatchContext,
    mut member: CheckoutMember,
    outcome: Outcome,
    ended: &mut Ended<BatchContext>,
) {
    match outcome {
        Outcome::Decided(decision) => {
            let decision = match decision {
                // The first answer is the one to this very request, whose commit was not answered.
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

/// Lets a member wait for rows that others hold, unless they have been held for too long already.
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
    let wait_max = context.held_wait_max;
    if since.elapsed() >= wait_max || context.held_rows.held_for(&rows) >= wait_max {
        let held_for = context.held_rows.held_for(&rows).min(RETRY_AFTER_HELD_MAX);
        return refuse(context, member, held_for);
    }
    let next = Next::After(Box::pin(context.held_rows.freed(rows, since + wait_max)));
    ended.undecided.push(SetAside { member, next });
}

/// Answers 503 and asks the caller to come back after about `wait`: nothing was done, or the outcome is
/// unknown.
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

/// Sends members to the slow lane.
pub(super) fn set_apart(
    members: impl IntoIterator<Item = CheckoutMember>,
    ended: &mut Ended<BatchContext>,
) {
    let apart = members.into_iter().map(|member| SetAside {
        member,
        next: Next::Apart,
    });
    ended.undecided.extend(apart);
}
