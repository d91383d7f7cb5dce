//! The slow lane: members whose shared transaction has failed for a reason that may be one of theirs. They
//! are halved until the cause is alone, so the others of a batch of 64 are carried out in six transactions
//! and not in 63.

use std::time::Duration;

use rand::RngExt;

use crate::batching::Ended;

use super::{
    BatchContext, CheckoutMember,
    attempt::attempt,
    failure::{AttemptError, Cause, Failure, Remedy, give_up},
    outcome::{conclude, wait_for},
    script::Sequence,
};

/// The wait before a lone attempt is repeated, times the number of attempts so far, plus as much
/// again at random: enough for the other side of a deadlock to finish.
const RETRY_WAIT: Duration = Duration::from_millis(10);

/// The time for which members that are tried apart wait for a row. They have waited for it before.
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
                        conclude(context, member, outcome, &mut ended);
                    }
                }
                Err(failure) => {
                    let half = without_the_causes(context, half, failure, &mut ended);
                    groups.push(half);
                }
            }
        }
    }
    ended
}

/// The members of a failed attempt that are still to be tried among fewer.
fn without_the_causes(
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
                    conclude(context, member, outcome, ended);
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
