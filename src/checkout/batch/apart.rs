//! Members whose shared transaction has failed for a reason that may be one of theirs: halved until it
//! is alone. The others of a batch of 64 are carried out in six transactions, and not in 63.

use std::time::Duration;

use rand::RngExt;

use crate::batching::{Ended, Undecided};

use super::{
    BatchContext, CheckoutMember,
    attempt::{AttemptError, Cause, Failure, Remedy, attempt},
    script::Sequence,
    together::{refuse, settle, wait_for},
};

/// The wait before a lone attempt is repeated, times the number of attempts so far, plus as much
/// again at random: enough for the other side of a deadlock to finish.
const RETRY_WAIT: Duration = Duration::from_millis(10);

/// How long those who are tried apart wait for a row: they have waited for it before.
const LOCK_WAIT: Duration = Duration::from_millis(20);

pub(super) async fn run(context: &BatchContext, batch: Vec<CheckoutMember>) -> Ended<BatchContext> {
    let mut ended = Ended::with_all_answered();
    let mut groups = vec![batch];
    while let Some(mut group) = groups.pop() {
        group.retain(|member| !member.is_abandoned());
        if group.len() <= 1 {
            for member in group {
                run_alone(context, member, &mut ended).await;
            }
            continue;
        }
        let second = group.split_off(group.len() / 2);
        for half in [group, second] {
            match attempt(context, &half, Sequence::WritesFirst, Some(LOCK_WAIT)).await {
                Ok(outcomes) => {
                    for (member, outcome) in half.into_iter().zip(outcomes) {
                        settle(context, member, outcome, &mut ended);
                    }
                }
                Err(failure) => {
                    let half = failed_together(context, half, failure, &mut ended);
                    groups.push(half);
                }
            }
        }
    }
    ended
}

/// Who is left to be tried among fewer.
fn failed_together(
    context: &BatchContext,
    members: Vec<CheckoutMember>,
    failure: Failure,
    ended: &mut Ended<BatchContext>,
) -> Vec<CheckoutMember> {
    let Failure { error, causes } = failure;
    let mut left = Vec::new();
    for (mut member, cause) in members.into_iter().zip(causes) {
        member.notes.is_commit_unknown |= error.is_commit_unknown();
        match (cause, error.remedy()) {
            (Cause::Held(rows), _) => wait_for(context, member, rows, ended),
            (_, Remedy::DatabaseIsAway | Remedy::Refuse) => give_up(context, member, &error),
            (Cause::Unknown | Cause::KeyHeld | Cause::StockMoved, _) => left.push(member),
        }
    }
    left
}

async fn run_alone(
    context: &BatchContext,
    member: CheckoutMember,
    ended: &mut Ended<BatchContext>,
) {
    let cart = member.command.request.cart_id;
    let mut alone = vec![member];
    let mut sequence = Sequence::WritesFirst;
    loop {
        let failure = match attempt(context, &alone, sequence, None).await {
            Ok(outcomes) => {
                for (member, outcome) in alone.into_iter().zip(outcomes) {
                    settle(context, member, outcome, ended);
                }
                return;
            }
            Err(failure) => failure,
        };
        let mut member = alone.pop().expect("one went in");
        member.notes.is_commit_unknown |= failure.error.is_commit_unknown();
        member.notes.tries += 1;
        let tries = member.notes.tries;
        if let [Cause::Held(rows)] = &failure.causes[..] {
            return wait_for(context, member, rows.clone(), ended);
        }
        if failure.error.remedy() != Remedy::Again || tries >= context.attempts_max {
            return give_up(context, member, &failure.error);
        }
        if matches!(failure.error, AttemptError::StockMoved) {
            sequence = Sequence::StockFirst;
        }
        tracing::warn!(
            http.request_id = member.request_id(),
            cart.id = %cart,
            "trying cart {cart} again: {}",
            failure.error
        );
        context.metrics.batch_retries.inc();
        let wait = RETRY_WAIT * tries;
        tokio::time::sleep(wait + wait.mul_f64(rand::rng().random())).await;
        alone.push(member);
    }
}

fn give_up(context: &BatchContext, member: CheckoutMember, error: &AttemptError) {
    let cart = member.command.request.cart_id;
    match error.remedy() {
        Remedy::DatabaseIsAway | Remedy::Again => {
            member.answer(context, Err(Undecided::Unavailable));
        }
        Remedy::Apart if !error.is_busy() => {
            tracing::error!(
                http.request_id = member.request_id(),
                cart.id = %cart,
                "checkout of cart {cart} failed: {error}"
            );
            let undecided = if member.notes.is_commit_unknown {
                Undecided::Unavailable
            } else {
                Undecided::Failed
            };
            member.answer(context, Err(undecided));
        }
        Remedy::Apart => {
            tracing::warn!(
                http.request_id = member.request_id(),
                cart.id = %cart,
                "cart {cart} was refused: {error}"
            );
            // It waited for something that does not show. It must not take others along again soon.
            let wait = context
                .held_rows
                .note_stuck(member.command.request.asked_cart());
            refuse(context, member, wait);
        }
        Remedy::Refuse => {
            tracing::warn!(
                http.request_id = member.request_id(),
                cart.id = %cart,
                "cart {cart} was refused: {error}"
            );
            refuse(context, member, Duration::ZERO);
        }
    }
}
