//! Makes carts the active ones of their buyers, in one transaction, each under its Idempotency-Key.
//!
//! Redis has answered nearly every retry before it comes here, so keys are not looked up before they
//! are used: one that was used before fails the insert, and then the keys of all are looked up.

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
        let answers = match save(&mut connection, promises, &priced, now, lock_wait_max).await {
            Ok(answers) => answers,
            Err(error) if error.constraint() == Some(PUT_KEY_TAKEN) => {
                look_up = LookUp::First;
                continue;
            }
            Err(error) => return Err(error),
        };
        let mut answers = answers.into_iter();
        let decide = |verdict| match verdict {
            Ok(_) => Decision::Frozen(answers.next().expect("every priced cart was saved")),
            Err(decision) => decision,
        };
        return Ok(verdicts.into_iter().map(decide).collect());
    }
    Err(db::Error::timed_out("use the keys of cart PUTs"))
}

/// Saves carts and what their clients will be told, which it returns.
async fn save(
    connection: &mut PgConnection,
    promises: Promises,
    priced: &[(&FreezeCart, &Priced)],
    now: DateTime<Utc>,
    lock_wait_max: Option<Duration>,
) -> Result<Vec<StoredResponse>, db::Error> {
    if priced.is_empty() {
        return Ok(Vec::new());
    }
    let mut transaction = db::transaction::begin_on(connection).await?;
    if let Some(wait_max) = lock_wait_max {
        db::transaction::wait_for_locks(&mut transaction, wait_max).await?;
    }
    let carts: Vec<_> = priced.iter().map(|(_, it)| (it.new, &it.cart)).collect();
    let heads = db::carts::upsert_active(&mut transaction, &carts).await?;
    let replaced: Vec<_> = heads
        .iter()
        .filter(|head| head.version > 1)
        .map(|head| head.id)
        .collect();
    if !replaced.is_empty() {
        db::carts::clear_lines(&mut transaction, &replaced).await?;
    }
    let ids = number_lines(priced);
    let answers = render(promises, priced, heads, &ids);
    let expires_at = now + promises.keep_answers_for;
    write_lines(
        &mut transaction,
        priced,
        &ids,
        &answers,
        AnswerTimes { now, expires_at },
    )
    .await?;
    let committed = async {
        db::transaction::commit(transaction).await?;
        faults::place("cart_commit_unanswered").await;
        Ok(())
    };
    db::in_time(COMMIT_WAIT_MAX, "commit carts", committed).await?;
    Ok(answers.into_iter().map(|answer| answer.response).collect())
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
