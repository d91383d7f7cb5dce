//! One vendor's actor: it gives its turn to one transaction at a time, in the order of arrival.
//!
//! The handler is an `AtomicResponse`, and after it has answered the actor waits (`ctx.wait`) until
//! the turn comes back with the end of the transaction. So no connection of ours ever waits for a
//! row lock of ours: the queue for a hot product stands in memory.

use std::time::Instant;

use actix::{
    Actor, ActorFutureExt, AsyncContext, AtomicResponse, Context, Handler, Message, WrapFuture,
};

use crate::{
    db,
    domain::{
        ids::VendorStoreId,
        reservation::{Demand, ReservationOutcome, allocate, merge},
    },
    faults,
    metrics::Metrics,
};

use super::checkout_batch::lent_tx::{LentTx, Turn};

/// Asks a vendor to reserve stock inside the lent transaction.
#[derive(Debug)]
pub struct ReserveStock {
    /// Lent: it comes back in [`StockReserved`].
    pub tx: LentTx,
    /// In order of arrival.
    pub demands: Vec<Demand>,
    /// When it was sent, to measure the wait.
    pub sent_at: Instant,
    /// After this nobody waits for the answer.
    pub deadline: Instant,
}

impl Message for ReserveStock {
    type Result = Result<StockReserved, ReserveError>;
}

/// The vendor's answer.
#[derive(Debug)]
pub struct StockReserved {
    /// Given back, with the vendor's turn in it.
    pub tx: LentTx,
    /// One per demand, in the same order.
    pub outcomes: Vec<ReservationOutcome>,
}

/// Why there is no answer. The transaction is lost, that is rolled back.
#[derive(Debug, thiserror::Error)]
pub enum ReserveError {
    /// A statement failed.
    #[error(transparent)]
    Database(#[from] db::Error),
    /// The vendor's turn came too late.
    #[error("the vendor's turn did not come before the deadline")]
    DeadlinePassed,
    /// The actor died with the transaction in its hands.
    #[error("the vendor's actor has stopped")]
    ActorLost,
}

/// See the module.
#[derive(Debug)]
pub struct VendorInventory {
    vendor_store_id: VendorStoreId,
    mailbox_max: usize,
    metrics: Metrics,
}

impl VendorInventory {
    /// A vendor's actor, to be started by the directory.
    pub fn new(vendor_store_id: VendorStoreId, mailbox_max: usize, metrics: Metrics) -> Self {
        Self {
            vendor_store_id,
            mailbox_max,
            metrics,
        }
    }
}

impl Actor for VendorInventory {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(self.mailbox_max);
    }
}

impl Handler<ReserveStock> for VendorInventory {
    type Result = AtomicResponse<Self, Result<StockReserved, ReserveError>>;

    fn handle(&mut self, message: ReserveStock, _: &mut Self::Context) -> Self::Result {
        self.metrics
            .vendor_mailbox_wait
            .observe(message.sent_at.elapsed().as_secs_f64());
        if message.deadline <= Instant::now() {
            self.metrics.vendor_rejected.inc();
            let refused = async { Err(ReserveError::DeadlinePassed) };
            return AtomicResponse::new(Box::pin(refused.into_actor(self)));
        }
        let (turn, given_back) = Turn::give();
        let deadline = message.deadline.into();
        let reservation = reserve(self.vendor_store_id, message, turn);
        // A server that does not answer must not keep the vendor from the next one.
        let reservation = async move {
            match tokio::time::timeout_at(deadline, reservation).await {
                Ok(reserved) => reserved,
                Err(_) => Err(ReserveError::DeadlinePassed),
            }
        };
        let reservation = reservation.into_actor(self);
        AtomicResponse::new(Box::pin(reservation.map(move |reserved, actor, ctx| {
            ctx.wait(given_back.into_actor(actor).map(|_, _, _| ()));
            reserved
        })))
    }
}

/// Merged demands first; only what is short is served one by one (see `domain::reservation`).
async fn reserve(
    vendor: VendorStoreId,
    message: ReserveStock,
    turn: Turn,
) -> Result<StockReserved, ReserveError> {
    let ReserveStock {
        mut tx, demands, ..
    } = message;
    tx.keep(turn);
    faults::place("in_vendor_actor").await;
    let short = db::inventory::reserve_covered(tx.connection(), vendor, &merge(&demands)).await?;
    let allocation = allocate(&demands, &short);
    if !allocation.granted.is_empty() {
        let changed =
            db::inventory::reserve_allocated(tx.connection(), vendor, &allocation.granted).await?;
        // The rows are locked since the first statement, so nothing can have taken the units.
        assert_eq!(
            changed,
            allocation.granted.len() as u64,
            "an allocation always fits"
        );
    }
    Ok(StockReserved {
        tx,
        outcomes: allocation.outcomes,
    })
}
