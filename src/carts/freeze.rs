//! Makes carts the active ones of their buyers, in one transaction, each under its Idempotency-Key.
//!
//! Redis has answered nearly every retry before it comes here, so keys are not looked up before they
//! are used: one that was used before fails the insert, and then the keys of all are looked up.
//!
//! What clients expect of the carts that they replace is decided while those are locked.

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
    judge::{Judged, LookUp, Priced, judge},
    preconditions::{self, Before},
};

/// How long a commit may take. Then what became of it is looked up over another connection.
const COMMIT_WAIT_MAX: Duration = Duration::from_secs(1);
/// How often keys may turn out to be used. Once, unless another instance uses one just then.
const ROUNDS_MAX: u32 = 4;

/// When the same commands were tried before: what may have been committed though nobody heard so.
#[derive(Clone, Debug, Default)]
pub struct Tries {
    times: Vec<DateTime<Utc>>,
}

impl Tries {
    /// Whether an answer of this time is one of theirs.
    pub(super) fn made(&self, time: DateTime<Utc>) -> bool {
        self.times.contains(&time)
    }
}

/// Decides each command, in the same order. A buyer may be named once. `lock_wait_max` is how long
/// to wait for a cart that is being bought; `None` leaves it to the pool.
///
/// # Errors
/// A failed statement: nothing was changed, unless the commit's outcome is unknown. Another call with
/// the same `tries` finds out.
pub async fn freeze(
    pool: &PgPool,
    promises: Promises,
    commands: &[&FreezeCart],
    tries: &mut Tries,
    lock_wait_max: Option<Duration>,
) -> Result<Vec<Decision>, db::Error> {
    let mut connection = db::pool::acquire(pool).await?;
    let mut look_up = if tries.times.is_empty() {
        LookUp::IfRefused
    } else {
        LookUp::First
    };
    for _ in 0..ROUNDS_MAX {
        let Judged { verdicts, now } = judge(&mut connection, commands, look_up, tries).await?;
        tries.times.push(now);
        let priced: Vec<_> = commands
            .iter()
            .zip(&verdicts)
            .filter_map(|(command, verdict)| Some((*command, verdict.as_ref().ok()?)))
            .collect();
        let saving = Saving {
            promises,
            now,
            lock_wait_max,
            tries,
        };
        let saved = match saving.save(&mut connection, &priced).await {
            Ok(Some(saved)) => saved,
            // Another instance has started a cart just then.
            Ok(None) => continue,
            Err(error) if error.constraint() == Some(PUT_KEY_TAKEN) => {
                look_up = LookUp::First;
                continue;
            }
            Err(error) => return Err(error),
        };
        let mut saved = saved.into_iter();
        let decide = |verdict| match verdict {
            Ok(_) => saved.next().expect("every priced cart was decided"),
            Err(decision) => decision,
        };
        return Ok(verdicts.into_iter().map(decide).collect());
    }
    Err(db::Error::timed_out("use the keys of cart PUTs"))
}

/// How a transaction saves carts.
struct Saving<'a> {
    promises: Promises,
    now: DateTime<Utc>,
    lock_wait_max: Option<Duration>,
    tries: &'a Tries,
}

impl Saving<'_> {
    /// Saves the carts whose preconditions hold, with what their clients will be told. `None` if a cart
    /// was started while this one was to be the first: nothing was changed, and it is to be decided anew.
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
        let answers = if priced.iter().any(|(it, _)| it.precondition.is_given()) {
            let judged = preconditions::judge(&mut transaction, priced, self.tries).await?;
            let accepted: Vec<_> = priced
                .iter()
                .zip(&judged)
                .filter_map(|(priced, judged)| Some((*priced, *judged.as_ref().ok()?)))
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
            let decide = |judged: Result<_, _>| match judged {
                Ok(_) => {
                    Decision::Frozen(responses.next().expect("every accepted cart was written"))
                }
                Err(decision) => decision,
            };
            judged.into_iter().map(decide).collect()
        } else {
            let heads = upsert(&mut transaction, priced).await?;
            let responses = self.write(&mut transaction, priced, heads).await?;
            responses.into_iter().map(Decision::Frozen).collect()
        };
        let committed = async {
            db::transaction::commit(transaction).await?;
            faults::place("cart_commit_unanswered").await;
            Ok(())
        };
        db::in_time(COMMIT_WAIT_MAX, "commit carts", committed).await?;
        Ok(Some(answers))
    }

    /// Writes the lines of carts whose heads are written, and returns what their clients will be told.
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
    let carts: Vec<_> = priced.iter().map(|(_, it)| (it.new, &it.cart)).collect();
    db::carts::upsert_active(connection, &carts).await
}

/// An id for every line, by cart.
fn number_lines(priced: &[(&FreezeCart, &Priced)]) -> Vec<Vec<CartItemId>> {
    let new_ids = |count| (0..count).map(|_| CartItemId::new(Uuid::now_v7()));
    priced
        .iter()
        .map(|(_, it)| new_ids(it.cart.lines.len()).collect())
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

/// Writes the new lines and discounts, with the answers that tell of them.
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
