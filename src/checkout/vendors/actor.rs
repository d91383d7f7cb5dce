//! One vendor's actor: it gives its turn to one transaction at a time, in the order of arrival.
//!
//! A transaction is given the turns of its vendors in ascending id, and the last one's actor, when
//! the turns of all are held, reserves for all in one statement: a round trip per vendor was a
//! fifth of what a batch cost PostgreSQL (see docs/performance.md).
//!
//! Having answered, the actor waits (`ctx.wait`) until its turn comes back with the end of the
//! transaction. So no connection of ours ever waits for a row lock of ours: the queue for a hot
//! product stands in memory.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use actix::{
    Actor, ActorFutureExt, AsyncContext, AtomicResponse, Context, Handler, Message, MessageResult,
    WrapFuture,
};

use crate::{
    db::{self, inventory::StockCheck},
    domain::{
        ids::{ProductId, VendorStoreId},
        lock_order::StockKey,
        optimistic::ExpectedStock,
        reservation::{Bid, BidOutcomes, allocate},
    },
    faults,
    metrics::Metrics,
};

use super::{
    directory::Place,
    lent_tx::{LentTx, Turn},
};

/// How stock is to be reserved.
#[derive(Debug)]
pub enum Reservation {
    /// Reserve what a speculation has allocated, if the stock is as expected.
    Optimistic(BTreeMap<StockKey, ExpectedStock>),
    /// Lock the stock, then serve these bids in their order from what is there.
    Pessimistic(Vec<Bid>),
}

impl Reservation {
    /// The vendors whose stock it is about, in ascending id.
    pub fn vendors(&self) -> Vec<VendorStoreId> {
        let mut vendors: Vec<_> = match self {
            Self::Optimistic(expected) => {
                let stock = expected.keys();
                stock.map(|stock| stock.vendor_store_id).collect()
            }
            Self::Pessimistic(bids) => {
                let demands = bids.iter().flat_map(|bid| &bid.demands);
                demands.map(|demand| demand.stock.vendor_store_id).collect()
            }
        };
        vendors.sort_unstable();
        vendors.dedup();
        vendors
    }

    /// What comes of it if it is about no vendor.
    pub fn of_nothing(&self) -> Reserved {
        match self {
            Self::Optimistic(_) => Reserved::AsExpected,
            Self::Pessimistic(bids) => Reserved::Allocated(vec![BidOutcomes::new(); bids.len()]),
        }
    }
}

/// What came of it.
#[derive(Debug, PartialEq, Eq)]
pub enum Reserved {
    /// The stock was as expected and is reserved.
    AsExpected,
    /// Stock is not as expected: the transaction must be rolled back.
    StockMoved {
        /// The products whose stock is not as expected; empty if a row has vanished or appeared.
        products: Vec<ProductId>,
    },
    /// The outcomes of the bids, in their order.
    Allocated(Vec<BidOutcomes>),
}

/// Asks a vendor for its turn.
#[derive(Debug)]
pub struct TakeTurn {
    /// In the mailbox, and then for the turn.
    pub place: Place,
    /// When, and how long.
    pub timing: Timing,
}

impl Message for TakeTurn {
    type Result = Result<Turn, ReserveError>;
}

/// Asks the last of a transaction's vendors for its turn, and to reserve the stock of all.
#[derive(Debug)]
pub struct ReserveStock {
    /// Lent, with the turns of all vendors but this one: it comes back in [`StockReserved`].
    pub tx: LentTx,
    /// In the mailbox, and then for the turn.
    pub place: Place,
    /// Of all vendors.
    pub reservation: Reservation,
    /// When, and how long.
    pub timing: Timing,
    /// How long the reservation may take, once it is the vendor's turn.
    pub reserve_max: Duration,
}

impl Message for ReserveStock {
    type Result = Result<StockReserved, ReserveError>;
}

/// When a message was sent, and how long its sender waits.
#[derive(Clone, Copy, Debug)]
pub struct Timing {
    /// To measure the wait for the vendor's turn.
    pub sent_at: Instant,
    /// After this nobody waits for the answer.
    pub deadline: Instant,
}

impl Timing {
    /// For a message that is sent now.
    pub fn now(deadline: Instant) -> Self {
        let sent_at = Instant::now();
        Self { sent_at, deadline }
    }
}

/// The last vendor's answer.
#[derive(Debug)]
pub struct StockReserved {
    /// Given back, with the turns of all vendors in it.
    pub tx: LentTx,
    /// What came of it. After a failed statement there is nothing to do but to roll back.
    pub reserved: Result<Reserved, db::Error>,
}

/// Why there is no answer. The transaction is lost, that is rolled back.
#[derive(Debug, thiserror::Error)]
pub enum ReserveError {
    /// The vendor's turn came too late.
    #[error("the vendor's turn did not come before the deadline")]
    DeadlinePassed,
    /// PostgreSQL has not answered in time, not even that a row is held.
    #[error("PostgreSQL did not answer to the reservation")]
    NoAnswer,
    /// The actor died with the transaction in its hands.
    #[error("the vendor's actor has stopped")]
    ActorLost,
}

/// See the module.
#[derive(Debug)]
pub struct VendorInventory {
    mailbox_max: usize,
    metrics: Arc<Metrics>,
}

impl VendorInventory {
    /// A vendor's actor, to be started by the directory.
    pub fn new(mailbox_max: usize, metrics: Arc<Metrics>) -> Self {
        Self {
            mailbox_max,
            metrics,
        }
    }

    /// Gives the turn to whoever has this place; nobody else gets it before it is given back.
    fn give_turn(
        &self,
        place: Place,
        timing: Timing,
        ctx: &mut Context<Self>,
    ) -> Result<Turn, ReserveError> {
        let now = Instant::now();
        let waited = now.saturating_duration_since(timing.sent_at);
        self.metrics
            .vendor_mailbox_wait
            .observe(waited.as_secs_f64());
        if timing.deadline <= now {
            self.metrics.vendor_rejected.inc();
            return Err(ReserveError::DeadlinePassed);
        }
        let (turn, given_back) = Turn::give(place);
        ctx.wait(given_back.into_actor(self).map(|_, _, _| ()));
        Ok(turn)
    }
}

impl Actor for VendorInventory {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(self.mailbox_max);
    }
}

impl Handler<TakeTurn> for VendorInventory {
    type Result = MessageResult<TakeTurn>;

    fn handle(&mut self, message: TakeTurn, ctx: &mut Self::Context) -> Self::Result {
        let TakeTurn { place, timing } = message;
        MessageResult(self.give_turn(place, timing, ctx))
    }
}

impl Handler<ReserveStock> for VendorInventory {
    type Result = AtomicResponse<Self, Result<StockReserved, ReserveError>>;

    fn handle(&mut self, message: ReserveStock, ctx: &mut Self::Context) -> Self::Result {
        let ReserveStock {
            mut tx,
            place,
            reservation,
            timing,
            reserve_max,
        } = message;
        let turn = self.give_turn(place, timing, ctx);
        let reserving = async move {
            tx.keep(turn?);
            // A server that does not answer must not keep the vendors from the next transaction.
            let wait_max = reserve_max.min(timing.deadline - Instant::now());
            let reserved = async {
                let reserved = reserve(&mut tx, reservation).await;
                StockReserved { tx, reserved }
            };
            let reserved = tokio::time::timeout(wait_max, reserved).await;
            reserved.map_err(|_| ReserveError::NoAnswer)
        };
        AtomicResponse::new(Box::pin(reserving.into_actor(self)))
    }
}

async fn reserve(tx: &mut LentTx, reservation: Reservation) -> Result<Reserved, db::Error> {
    assert!(
        tx.turns().eq(reservation.vendors()),
        "stock is reserved of vendors whose turn it is"
    );
    faults::place("in_vendor_actor").await;
    Ok(match reservation {
        Reservation::Optimistic(expected) => {
            match db::inventory::reserve_expected(tx.connection(), &expected).await? {
                StockCheck::AsExpected => Reserved::AsExpected,
                StockCheck::Moved { products } => Reserved::StockMoved { products },
            }
        }
        Reservation::Pessimistic(bids) => Reserved::Allocated(serve(tx, &bids).await?),
    })
}

async fn serve(tx: &mut LentTx, bids: &[Bid]) -> Result<Vec<BidOutcomes>, db::Error> {
    let demands = bids.iter().flat_map(|bid| &bid.demands);
    let stock = demands.map(|demand| demand.stock).collect();
    let available = db::inventory::lock(tx.connection(), &stock).await?;
    let allocation = allocate(bids, &available);
    if !allocation.granted.is_empty() {
        let changed =
            db::inventory::reserve_allocated(tx.connection(), &allocation.granted).await?;
        // The rows are locked, so nothing can have taken the units.
        let rows = allocation.granted.len();
        assert_eq!(changed, rows as u64, "an allocation always fits");
    }
    Ok(allocation.outcomes)
}
