//! Carries out cart PUTs together, and one by one if that fails, so that one bad cart, or one that
//! is being bought at the moment, keeps nobody else from being frozen.

use std::time::Duration;

use futures_util::future::join_all;
use sqlx::PgPool;

use crate::{
    batching::{Answer, Ended, Member, Undecided, Work, desk::Desk},
    db::{self, Fault},
    domain::ids::StoreId,
    metrics::{Meters, Metrics},
};

use super::{Decision, FreezeCart, freeze};

/// Where carts are handed in to be frozen.
pub type CartDesk = Desk<CartBatches>;

/// What every batch needs.
#[derive(Clone, Debug)]
pub struct CartBatches {
    /// Opened on the desk's arbiter.
    pub pool: PgPool,
    /// How long a transaction may take, and how long a lone one waits for a cart that is being bought.
    pub transaction_limit: Duration,
    /// Where to count.
    pub metrics: Metrics,
}

impl Work for CartBatches {
    type Command = FreezeCart;
    type Notes = ();
    type Decision = Decision;
    /// A buyer has one active cart: its PUTs take effect in their order.
    type Lane = StoreId;

    fn lanes(command: &FreezeCart) -> Vec<StoreId> {
        vec![command.store_id]
    }

    fn weight(member: &Member<Self>) -> usize {
        member.command.request.items.len()
    }

    async fn carry_out(&self, batch: Vec<Member<Self>>) -> Ended<Self> {
        self.metrics.cart_batch_size.observe(batch.len() as f64);
        let commands: Vec<_> = batch.iter().map(|member| &member.command).collect();
        let mut decisions = self.attempt(&commands, None).await;
        if is_unreachable(&decisions) {
            // A connection that had rested may have lost its server meanwhile. Freezing a cart once
            // more does no harm, whatever became of the first time.
            decisions = self.attempt(&commands, None).await;
        }
        match decisions {
            Ok(decisions) => {
                for (member, decision) in batch.into_iter().zip(decisions) {
                    member.answer(self, Ok(decision));
                }
            }
            Err(error) if error.fault() == Fault::Unreachable => {
                tracing::warn!("carts can't be frozen: {error}");
                for member in batch {
                    member.answer(self, Err(Undecided::Unavailable));
                }
            }
            Err(error) => {
                let size = batch.len();
                tracing::warn!(batch.size = size, "a batch of {size} carts failed: {error}");
                join_all(batch.into_iter().map(|member| self.carry_out_alone(member))).await;
            }
        }
        Ended::with_all_answered()
    }

    async fn carry_out_apart(&self, batch: Vec<Member<Self>>) -> Ended<Self> {
        self.carry_out(batch).await
    }

    fn count(&self, _: &Answer<Self>) {}

    fn meters(&self) -> &Meters {
        &self.metrics.carts
    }
}

impl CartBatches {
    async fn carry_out_alone(&self, member: Member<Self>) {
        let lone = [&member.command];
        let answer = match self.attempt(&lone, Some(self.transaction_limit)).await {
            Ok(decisions) => Ok(decisions
                .into_iter()
                .next()
                .expect("one cart, one decision")),
            Err(error) if error.fault() == Fault::Permanent => {
                tracing::error!("a cart could not be frozen: {error}");
                Err(Undecided::Failed)
            }
            Err(error) => {
                tracing::warn!("a cart could not be frozen: {error}");
                Err(Undecided::Unavailable)
            }
        };
        member.answer(self, answer);
    }

    /// PostgreSQL's own timeouts are of no use when it is PostgreSQL that hangs.
    async fn attempt(
        &self,
        commands: &[&FreezeCart],
        lock_wait_max: Option<Duration>,
    ) -> Result<Vec<Decision>, db::Error> {
        let frozen = freeze(&self.pool, commands, lock_wait_max);
        match tokio::time::timeout(self.transaction_limit, frozen).await {
            Ok(frozen) => frozen,
            Err(_) => Err(db::Error::timed_out("freeze carts")),
        }
    }
}

fn is_unreachable<T>(result: &Result<T, db::Error>) -> bool {
    matches!(result, Err(error) if error.fault() == Fault::Unreachable)
}
