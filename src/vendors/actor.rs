//! One vendor's actor: it gives its turn to one transaction at a time, in the order of arrival.
//!
//! A transaction takes the turns of its vendors in ascending id. The actor of the last one, when the turns
//! of all are held, reserves for all in one statement: a round trip per vendor was a fifth of what a batch
//! cost PostgreSQL (see docs/performance.md).
//!
//! Having answered, the actor waits (`ctx.wait`) until its turn comes back with the end of the
//! transaction. So no connection of this process ever waits for a row lock of another one: the queue for a
//! hot product is in memory.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use actix::{
    Actor, ActorFutureExt, AsyncContext, AtomicResponse, Context, Handler, Message, MessageResult,
    WrapFuture,
};

use crate::{db, metrics::Metrics, stages::Stage};

use super::{
    lent_tx::LentTx,
    reservation::{Reservation, Reserved},
    turn::{Place, Turn},
};

/// Asks a vendor for its turn.
#[derive(Debug)]
pub(super) struct TakeTurn {
    pub place: Place,
    pub timing: Timing,
}

impl Message for TakeTurn {
    type Result = Result<Turn, ReserveError>;
}

/// Asks the last of a transaction's vendors for its turn, and to reserve the stock of all.
#[derive(Debug)]
pub(super) struct ReserveStock {
    /// Lent, with the turns of all vendors but this one. It comes back in [`StockReserved`].
    pub tx: LentTx,
    pub place: Place,
    /// The stock of all vendors.
    pub reservation: Reservation,
    pub timing: Timing,
    /// The time that the reservation may take once the vendor's turn has come.
    pub reserve_max: Duration,
}

impl Message for ReserveStock {
    type Result = Result<StockReserved, ReserveError>;
}

/// The time at which a message was sent, and until which its sender waits for the answer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Timing {
    sent_at: Instant,
    deadline: Instant,
}

impl Timing {
    /// The timing of a message that is sent now.
    pub fn now(deadline: Instant) -> Self {
        let sent_at = Instant::now();
        Self { sent_at, deadline }
    }
}

/// The answer of the last vendor.
#[derive(Debug)]
pub(crate) struct StockReserved {
    /// Given back, with the turns of all vendors in it.
    pub tx: LentTx,
    /// After a failed statement there is nothing to do but to roll back.
    pub reserved: Result<Reserved, db::Error>,
}

/// The reason why there is no answer. The transaction is lost, which rolls it back.
#[derive(Debug, thiserror::Error)]
pub enum ReserveError {
    /// The vendor's turn came too late.
    #[error("the vendor's turn did not come before the deadline")]
    DeadlinePassed,
    /// PostgreSQL has not answered in time, not even that a row is held.
    #[error("PostgreSQL did not answer to the reservation")]
    NoAnswer,
    /// The actor died while it had the message.
    #[error("the vendor's actor has stopped")]
    ActorLost,
}

/// The actor of one vendor.
#[derive(Debug)]
pub(super) struct VendorActor {
    mailbox_max: usize,
    metrics: Arc<Metrics>,
}

impl VendorActor {
    /// An actor that the directory is to start.
    pub fn new(mailbox_max: usize, metrics: Arc<Metrics>) -> Self {
        Self {
            mailbox_max,
            metrics,
        }
    }

    /// Gives the turn to the holder of this place. No other transaction gets the turn before it is
    /// given back.
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
        place.count_turn(waited);
        let (turn, given_back) = Turn::give(place);
        ctx.wait(given_back.into_actor(self).map(|_, _, _| ()));
        Ok(turn)
    }
}

impl Actor for VendorActor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(self.mailbox_max);
    }
}

impl Handler<TakeTurn> for VendorActor {
    type Result = MessageResult<TakeTurn>;

    fn handle(&mut self, message: TakeTurn, ctx: &mut Self::Context) -> Self::Result {
        let TakeTurn { place, timing } = message;
        MessageResult(self.give_turn(place, timing, ctx))
    }
}

impl Handler<ReserveStock> for VendorActor {
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
            tx.end_lap(Stage::Turns, "turns");
            // A server that does not answer must not keep the vendors from the next transaction.
            let wait_max = reserve_max.min(timing.deadline - Instant::now());
            let reserved = async {
                let reserved = reservation.make(&mut tx).await;
                tx.end_lap(Stage::Reservation, "reserve");
                StockReserved { tx, reserved }
            };
            let reserved = tokio::time::timeout(wait_max, reserved).await;
            reserved.map_err(|_| ReserveError::NoAnswer)
        };
        AtomicResponse::new(Box::pin(reserving.into_actor(self)))
    }
}
