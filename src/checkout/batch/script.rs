//! The transaction script: everything of a batch between its begin and its commit.
//!
//! Batches wait for vendors' turns, so a transaction holds them as briefly as it can: optimistic
//! concurrency control. The outcome of the reservation is computed from the stock that was read, and
//! all rows are written first. Then the turns are taken and the stock is reserved. If it is not as
//! expected by then, the transaction is rolled back and started again in the other sequence, which
//! expects nothing: stock first, then the writes while all turns are held. What buyers have bought of
//! products with purchase limits is expected like the stock.
//!
//! Between the first reservation and the commit there is only SQL on this transaction.

use std::time::Instant;

use uuid::Uuid;

use crate::{
    db::{
        self,
        outbox::{ClaimedEvent, Event},
    },
    domain::{
        ids::{EventId, ProductId},
        low_stock::StockTaken,
        optimistic::speculate,
        purchase_limit::Bought,
        reservation::{Bid, purchases_to_count},
    },
    faults,
    stages::Stage,
    vendors::{
        actor::StockReserved,
        lent_tx::LentTx,
        reservation::{Reservation, Reserved},
    },
};

use super::{
    super::command::CheckoutCommand,
    BatchContext, CheckoutMember,
    failure::AttemptError,
    inputs::{Verdicts, decide},
    needs::Needs,
    planned::Planned,
    set_aside::{set_heavy_aside, set_held_aside},
    settled::{Prepared, Settled},
};

/// The sequence of writing rows and reserving stock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sequence {
    /// Write all rows for the outcomes that are expected, then reserve the stock.
    WritesFirst,
    /// Reserve stock, then write what came of it.
    StockFirst,
}

/// The result of the script.
pub(super) enum Scripted {
    /// Everything is written and reserved: the transaction can be committed.
    Prepared(Prepared),
    /// Stock or purchases are not as expected, so what was written is wrong.
    StockMoved {
        /// The products whose stock is not as expected, as far as is known.
        products: Vec<ProductId>,
    },
}

/// A transaction script at work.
pub(super) struct Script<'a> {
    context: &'a BatchContext,
    pub members: &'a [CheckoutMember],
    commands: Vec<&'a CheckoutCommand>,
    /// `None` before the transaction is begun, while it is lent, and when it is lost.
    pub tx: Option<LentTx>,
    pub needs: Needs,
}

impl<'a> Script<'a> {
    pub(super) fn new(context: &'a BatchContext, members: &'a [CheckoutMember]) -> Self {
        let commands: Vec<_> = members.iter().map(|member| &member.command).collect();
        Self {
            context,
            members,
            needs: Needs::of_carts(&commands),
            commands,
            tx: None,
        }
    }

    /// Does everything up to the commit. After an error the transaction is in `tx` if it can still be
    /// rolled back.
    pub(super) async fn run(
        &mut self,
        sequence: Sequence,
        deadline: Instant,
    ) -> Result<Scripted, AttemptError> {
        let context = self.context;
        let tx = self.tx.as_mut().expect("it was begun");
        let now = tx.began_at();
        let decided = decide(tx, &self.commands, context.terms, now);
        let Verdicts {
            verdicts,
            available,
        } = context.in_time(decided).await??;
        let mut planned = Planned::new(verdicts, &self.commands);
        for (index, plan) in planned.plans() {
            self.needs.add(index, self.commands[index], plan);
        }
        set_heavy_aside(context, self.members, &mut planned);
        let tx = self.tx.as_mut().expect("it is not lent");
        tx.end_lap(Stage::Rendering, "decide");
        set_held_aside(context, self.members, &self.needs, tx, &mut planned).await?;
        let bids = planned.bids();
        context.directory.count_lines(&bids);
        let (mut prepared, low) = match sequence {
            Sequence::WritesFirst => {
                let bought = self.count_bought(&bids).await?;
                let speculation = speculate(&bids, &available, &bought);
                let outcomes = &speculation.allocation.outcomes;
                let settled = planned.settle(&self.commands, outcomes, now);
                let prepared = self.write(settled).await?;
                let reservation = Reservation::Optimistic {
                    stock: speculation.expected,
                    purchases: speculation.purchases,
                };
                let reserved = self.reserve(reservation, deadline).await?;
                let low = match reserved {
                    Reserved::AsExpected { low } => low,
                    Reserved::StockMoved { products } => {
                        return Ok(Scripted::StockMoved { products });
                    }
                    Reserved::Allocated { .. } => unreachable!("the stock was expected"),
                };
                (prepared, low)
            }
            Sequence::StockFirst => {
                let reservation = Reservation::Pessimistic(bids);
                let reserved = self.reserve(reservation, deadline).await?;
                let Reserved::Allocated { outcomes, low } = reserved else {
                    unreachable!("nothing was expected of the stock");
                };
                let settled = planned.settle(&self.commands, &outcomes, now);
                (self.write(settled).await?, low)
            }
        };
        prepared.events.extend(self.announce_low(&low).await?);
        Ok(Scripted::Prepared(prepared))
    }

    /// Counts the purchases of limited products. Nothing is locked, so they are only expected to stay.
    async fn count_bought(&mut self, bids: &[Bid]) -> Result<Bought, AttemptError> {
        let windows = purchases_to_count(bids);
        if windows.is_empty() {
            return Ok(Bought::new());
        }
        let tx = self.tx.as_mut().expect("it is not lent");
        let counted = db::orders::count_bought(tx.connection(), &windows);
        let bought = self.context.in_time(counted).await??;
        tx.end_lap(Stage::Reads, "count purchases");
        Ok(bought)
    }

    async fn write(&mut self, settled: Settled<'_>) -> Result<Prepared, AttemptError> {
        let tx = self.tx.as_mut().expect("it is not lent");
        tx.end_lap(Stage::Rendering, "render answers");
        let written = settled.write(self.context, tx);
        self.context.in_time(written).await?
    }

    /// Announces stock that has run low. Its rows are locked until the commit. With none there is no
    /// statement.
    async fn announce_low(
        &mut self,
        low: &[StockTaken],
    ) -> Result<Vec<ClaimedEvent>, AttemptError> {
        if low.is_empty() {
            return Ok(Vec::new());
        }
        let event = |taken| Event::of_low_stock(taken, None, EventId::new(Uuid::now_v7()));
        let events = low.iter().map(event).collect();
        let tx = self.tx.as_mut().expect("it is not lent");
        let claim_for = self.context.claim_events_for;
        let announced = db::outbox::announce_in_order(tx.connection(), events, claim_for);
        let events = self.context.in_time(announced).await??;
        tx.end_lap(Stage::Writes, "announce low stock");
        Ok(events)
    }

    async fn reserve(
        &mut self,
        reservation: Reservation,
        deadline: Instant,
    ) -> Result<Reserved, AttemptError> {
        let tx = self.tx.take().expect("it is not lent");
        let directory = &self.context.directory;
        let StockReserved { tx, reserved } = directory
            .reserve(tx, reservation, deadline, self.context.reserve_wait_max)
            .await?;
        self.tx = Some(tx);
        faults::place("after_reservation").await;
        Ok(reserved?)
    }
}
