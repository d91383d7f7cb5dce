//! Carries out cart PUTs together, and one by one if that fails, so that one bad cart, or a cart that
//! is being bought at the moment, does not keep others from being frozen.

use std::time::Duration;

use futures_util::future::join_all;
use sqlx::PgPool;

use crate::{
    batching::{Answer, Ended, Member, Undecided, Work, desk::Desk, request_ids},
    db::{self, Fault},
    domain::ids::StoreId,
    log_floods::{self, Kind},
    metrics::{Meters, Metrics, ReplayLabel},
};

use super::{Decision, EarlierAttempts, FreezeCart, Promises, freeze};

/// The pause after which a PUT whose cart another transaction holds may be sent again.
const BUSY_RETRY_AFTER: Duration = Duration::from_secs(1);

/// Logged at a bounded rate: while PostgreSQL is away there may be many.
const FAILED: Kind = Kind {
    what: "batches of carts failed",
    status: 0,
    code: "",
};

/// The desk that takes carts to be frozen.
pub type CartDesk = Desk<CartBatches>;

/// The means of every batch.
#[derive(Clone, Debug)]
pub struct CartBatches {
    /// Opened on the desk's arbiter.
    pub pool: PgPool,
    /// The longest time of a transaction.
    pub transaction_limit: Duration,
    /// The longest wait of a lone PUT for a cart that another transaction holds; longer than the pool's own
    /// limit, which is for PUTs that share a transaction.
    pub lone_lock_wait_max: Duration,
    pub promises: Promises,
    pub metrics: Metrics,
}

impl Work for CartBatches {
    type Command = FreezeCart;
    type Notes = ();
    type Decision = Decision;
    /// A buyer has one active cart: its PUTs take effect in the order in which they arrive.
    type Lane = StoreId;

    fn lanes(command: &FreezeCart) -> Vec<StoreId> {
        vec![command.store_id]
    }

    fn weight(member: &Member<Self>) -> usize {
        member.command.request.content.items.len()
    }

    async fn carry_out(&self, batch: Vec<Member<Self>>) -> Ended<Self> {
        self.metrics.cart_batch_size.observe(batch.len() as f64);
        let commands: Vec<_> = batch.iter().map(|member| &member.command).collect();
        let mut earlier = EarlierAttempts::default();
        let mut decisions = self.attempt(&commands, &mut earlier, None).await;
        if is_unreachable(&decisions) {
            // An idle connection may have lost its server meanwhile. If the first attempt was committed
            // nonetheless, the keys of the carts show it.
            decisions = self.attempt(&commands, &mut earlier, None).await;
        }
        match decisions {
            Ok(decisions) => {
                for (member, decision) in batch.into_iter().zip(decisions) {
                    member.answer(self, Ok(decision));
                }
            }
            Err(error) if error.fault() == Fault::Unreachable => {
                if log_floods::admits(FAILED) {
                    tracing::warn!(
                        http.request_ids = request_ids(&batch),
                        "carts can't be frozen: {error}"
                    );
                }
                for member in batch {
                    member.answer(self, Err(Undecided::Unavailable));
                }
            }
            Err(error) => {
                let size = batch.len();
                tracing::warn!(
                    batch.size = size,
                    http.request_ids = request_ids(&batch),
                    "a batch of {size} carts failed: {error}"
                );
                let alone = |member| self.carry_out_alone(member, earlier.clone());
                join_all(batch.into_iter().map(alone)).await;
            }
        }
        Ended::with_all_answered()
    }

    async fn carry_out_apart(&self, batch: Vec<Member<Self>>) -> Ended<Self> {
        self.carry_out(batch).await
    }

    fn count(&self, answer: &Answer<Self>) {
        if let Ok(Decision::Replayed(_)) = answer {
            let source = ReplayLabel {
                source: "postgresql",
            };
            self.metrics.replays.get_or_create(&source).inc();
        }
    }

    fn meters(&self) -> &Meters {
        &self.metrics.cart_queue
    }
}

impl CartBatches {
    async fn carry_out_alone(&self, member: Member<Self>, mut earlier: EarlierAttempts) {
        let lone = [&member.command];
        let lock_wait_max = Some(self.lone_lock_wait_max);
        let answer = match self.attempt(&lone, &mut earlier, lock_wait_max).await {
            Ok(decisions) => Ok(decisions
                .into_iter()
                .next()
                .expect("one cart, one decision")),
            Err(error) if error.fault() == Fault::Permanent => {
                tracing::error!(
                    http.request_id = member.request_id(),
                    "a cart could not be frozen: {error}"
                );
                Err(Undecided::Failed)
            }
            Err(error) => {
                tracing::warn!(
                    http.request_id = member.request_id(),
                    "a cart could not be frozen: {error}"
                );
                Err(match error.fault() {
                    // Nothing was changed, and it is not the database that can't be reached.
                    Fault::Busy | Fault::Transient => Undecided::Overloaded {
                        retry_after: BUSY_RETRY_AFTER,
                    },
                    Fault::Unreachable | Fault::Permanent => Undecided::Unavailable,
                })
            }
        };
        member.answer(self, answer);
    }

    async fn attempt(
        &self,
        commands: &[&FreezeCart],
        earlier: &mut EarlierAttempts,
        lock_wait_max: Option<Duration>,
    ) -> Result<Vec<Decision>, db::Error> {
        let frozen = freeze(&self.pool, self.promises, commands, earlier, lock_wait_max);
        db::in_time(self.transaction_limit, "freeze carts", frozen).await
    }
}

fn is_unreachable<T>(result: &Result<T, db::Error>) -> bool {
    matches!(result, Err(error) if error.fault() == Fault::Unreachable)
}
