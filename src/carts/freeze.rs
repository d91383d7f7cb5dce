//! Makes carts the active ones of their buyers, in one transaction, each under its Idempotency-Key.
//!
//! Redis answers nearly every retry before it reaches this code, so keys are not looked up before they are
//! used: a key that was used before fails the insert, and then the keys of all members are looked up.
//!
//! Preconditions on the carts that are replaced are checked while those are locked.

use std::time::Duration;

use chrono::{DateTime, Utc};
use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

use crate::{
    db::{
        self,
        carts::{AnswerTimes, NewAnswer, NewDiscount, NewLine, PUT_KEY_TAKEN},
    },
    domain::{
        cart::CartHead,
        idempotency::StoredResponse,
        ids::{CartItemId, CartVendorDiscountId},
    },
    faults,
};

use super::{
    Decision, FreezeCart, Promises,
    attempts::EarlierAttempts,
    decide::{Decided, LookUp, Priced, decide},
    preconditions::{self, Before},
};

/// The longest time of a commit. After it, the outcome is looked up over another connection.
const COMMIT_WAIT_MAX: Duration = Duration::from_secs(1);
const COMMIT: &str = "commit carts";
/// The most rounds in which keys may turn out to be used. It is one, unless another instance uses a key
/// at the same moment.
const ROUNDS_MAX: u32 = 4;

/// Decides each command, in the same order. A buyer may be named once. `lock_wait_max` is how long
/// to wait for a cart that is being bought; `None` leaves it to the pool.
///
/// # Errors
/// A statement failed. Nothing was changed, unless the outcome of the commit is unknown: another call
/// with the same `earlier` finds out.
pub async fn freeze(
    pool: &PgPool,
    promises: Promises,
    commands: &[&FreezeCart],
    earlier: &mut EarlierAttempts,
    lock_wait_max: Option<Duration>,
) -> Result<Vec<Decision>, db::Error> {
    let mut connection = db::pool::acquire(pool).await?;
    let mut look_up = if earlier.are_none() {
        LookUp::IfRefused
    } else {
        LookUp::First
    };
    for _ in 0..ROUNDS_MAX {
        let Decided { outcomes, now } = decide(&mut connection, commands, look_up, earlier).await?;
        earlier.note(now);
        let priced: Vec<_> = commands
            .iter()
            .zip(&outcomes)
            .filter_map(|(command, outcome)| Some((*command, outcome.as_ref().ok()?)))
            .collect();
        let saving = Saving {
            promises,
            now,
            lock_wait_max,
            earlier,
        };
        let saved = match saving.save(&mut connection, &priced).await {
            Ok(Some(saved)) => saved,
            // Another instance started a cart at the same moment.
            Ok(None) => continue,
            Err(error) if error.constraint() == Some(PUT_KEY_TAKEN) => {
                look_up = LookUp::First;
                continue;
            }
            Err(error) => return Err(error),
        };
        if !priced.is_empty() {
            let finished = async {
                connection.finish().await?;
                faults::place("cart_commit_unanswered").await;
                Ok(())
            };
            db::in_time(COMMIT_WAIT_MAX, COMMIT, finished).await?;
        }
        let mut saved = saved.into_iter();
        let decision_of = |outcome| match outcome {
            Ok(_) => saved.next().expect("every priced cart was decided"),
            Err(decision) => decision,
        };
        return Ok(outcomes.into_iter().map(decision_of).collect());
    }
    Err(db::Error::timed_out("use the keys of cart PUTs"))
}

/// The terms on which a transaction saves carts.
struct Saving<'a> {
    promises: Promises,
    now: DateTime<Utc>,
    lock_wait_max: Option<Duration>,
    earlier: &'a EarlierAttempts,
}

impl Saving<'_> {
    /// Saves the carts whose preconditions hold, with their answers. `None` if another instance started
    /// a cart that was to be the buyer's first: nothing was changed, and everything must be decided
    /// again.
    async fn save(
        &self,
        connection: &mut PgConnection,
        priced: &[(&FreezeCart, &Priced)],
    ) -> Result<Option<Vec<Decision>>, db::Error> {
        if priced.is_empty() {
            return Ok(Some(Vec::new()));
        }
        let mut transaction = db::transaction::begin_on(connection).await?;
        if let Some(wait_max) = self.lock_wait_max {
            db::transaction::wait_for_locks(&mut transaction, wait_max).await?;
        }
        let answers = if priced
            .iter()
            .any(|(command, _)| command.precondition.is_given())
        {
            let checked = preconditions::check(&mut transaction, priced, self.earlier).await?;
            let accepted: Vec<_> = priced
                .iter()
                .zip(&checked)
                .filter_map(|(priced, checked)| Some((*priced, *checked.as_ref().ok()?)))
                .collect();
            let (accepted, before): (Vec<_>, Vec<Before>) = accepted.into_iter().unzip();
            let heads = upsert(&mut transaction, &accepted).await?;
            if before
                .iter()
                .zip(&heads)
                .any(|(before, head)| before.is_overtaken(head))
            {
                return Ok(None);
            }
            let mut responses = self
                .write(&mut transaction, &accepted, heads)
                .await?
                .into_iter();
            let decision_of = |checked: Result<_, _>| match checked {
                Ok(_) => {
                    Decision::Frozen(responses.next().expect("every accepted cart was written"))
                }
                Err(decision) => decision,
            };
            checked.into_iter().map(decision_of).collect()
        } else {
            let heads = upsert(&mut transaction, priced).await?;
            let responses = self.write(&mut transaction, priced, heads).await?;
            responses.into_iter().map(Decision::Frozen).collect()
        };
        let committed = db::transaction::commit(transaction);
        db::in_time(COMMIT_WAIT_MAX, COMMIT, committed).await?;
        Ok(Some(answers))
    }

    /// Writes the lines of carts whose heads are written, and returns the answers.
    async fn write(
        &self,
        connection: &mut PgConnection,
        priced: &[(&FreezeCart, &Priced)],
        heads: Vec<CartHead>,
    ) -> Result<Vec<StoredResponse>, db::Error> {
        if heads.is_empty() {
            return Ok(Vec::new());
        }
        let replaced: Vec<_> = heads
            .iter()
            .filter(|head| head.version > 1)
            .map(|head| head.id)
            .collect();
        if !replaced.is_empty() {
            db::carts::clear_lines(connection, &replaced).await?;
        }
        let ids = number_lines(priced);
        let answers = render(self.promises, priced, heads, &ids);
        let times = AnswerTimes {
            now: self.now,
            expires_at: self.now + self.promises.keep_answers_for,
        };
        write_lines(connection, priced, &ids, &answers, times).await?;
        Ok(answers.into_iter().map(|answer| answer.response).collect())
    }
}

async fn upsert(
    connection: &mut PgConnection,
    priced: &[(&FreezeCart, &Priced)],
) -> Result<Vec<CartHead>, db::Error> {
    if priced.is_empty() {
        return Ok(Vec::new());
    }
    let carts: Vec<_> = priced
        .iter()
        .map(|(_, priced)| (priced.new, &priced.cart))
        .collect();
    db::carts::upsert_active(connection, &carts).await
}

/// An id for every line, by cart.
fn number_lines(priced: &[(&FreezeCart, &Priced)]) -> Vec<Vec<CartItemId>> {
    let new_ids = |count| (0..count).map(|_| CartItemId::new(Uuid::now_v7()));
    priced
        .iter()
        .map(|(_, priced)| new_ids(priced.cart.lines.len()).collect())
        .collect()
}

fn render(
    promises: Promises,
    priced: &[(&FreezeCart, &Priced)],
    heads: Vec<CartHead>,
    ids: &[Vec<CartItemId>],
) -> Vec<NewAnswer> {
    let saved = priced.iter().zip(heads).zip(ids);
    let answers = saved.map(|(((command, priced), head), ids)| NewAnswer {
        scope: command.scope,
        fingerprint: command.fingerprint,
        cart_id: head.id,
        response: (command.render)(&priced.saved(head, ids), promises.price_hold),
    });
    answers.collect()
}

/// Writes the new lines and discounts, with the answers that report them.
async fn write_lines(
    connection: &mut PgConnection,
    priced: &[(&FreezeCart, &Priced)],
    ids: &[Vec<CartItemId>],
    answers: &[NewAnswer],
    times: AnswerTimes,
) -> Result<(), db::Error> {
    let mut lines = Vec::new();
    let mut discounts = Vec::new();
    for (((_, priced), ids), answer) in priced.iter().zip(ids).zip(answers) {
        let cart_id = answer.cart_id;
        let numbered = (0..).zip(ids).zip(&priced.cart.lines);
        lines.extend(numbered.map(|((position, id), line)| NewLine {
            cart_id,
            id: *id,
            position,
            line,
        }));
        discounts.extend(priced.cart.discounts.iter().map(|granted| NewDiscount {
            cart_id,
            id: CartVendorDiscountId::new(Uuid::now_v7()),
            granted,
        }));
    }
    db::carts::insert_lines(connection, &lines, answers, times).await?;
    if !discounts.is_empty() {
        db::carts::insert_discounts(connection, &discounts, times.now).await?;
    }
    Ok(())
}
