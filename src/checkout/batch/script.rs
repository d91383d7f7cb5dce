//! The transaction script: everything of a batch between its begin and its commit.
//!
//! Batches wait for vendors' turns, so a transaction holds them as briefly as it can: optimistic
//! concurrency control. The outcome of the reservation is computed from the stock that was read, and all
//! rows are written first. Then the turns are taken and the stock is reserved. If it is not as expected
//! by then, the transaction is rolled back and begun anew in the other sequence, which expects nothing:
//! stock first, then the writes while all turns are held.
//!
//! Between the first reservation and the commit there is only SQL on this transaction.

use std::{collections::BTreeSet, time::Instant};

use crate::{
    domain::{ids::ProductId, optimistic::speculate},
    faults,
};

use super::{
    super::{
        command::CheckoutCommand,
        held_rows::Row,
        vendors::{
            actor::StockReserved,
            lent_tx::LentTx,
            reservation::{Reservation, Reserved},
        },
    },
    BatchContext, CheckoutMember,
    attempt::{AttemptError, Outcome},
    inputs::{Judged, judge},
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

/// What came of the script.
pub(super) enum Scripted {
    Prepared(Prepared),
    /// Somebody was faster, so what was written is wrong.
    StockMoved {
        /// Whose stock is not as expected, as far as is known.
        products: Vec<ProductId>,
    },
}

/// A transaction script at work.
pub(super) struct Script<'a> {
    context: &'a BatchContext,
    pub members: &'a [CheckoutMember],
    commands: Vec<&'a CheckoutCommand>,
    /// None before it began, while it is lent, and when it is lost.
    pub tx: Option<LentTx>,
    /// The rows that each member needs, as far as is known.
    pub needs: Vec<Vec<Row>>,
}

impl<'a> Script<'a> {
    pub(super) fn new(context: &'a BatchContext, members: &'a [CheckoutMember]) -> Self {
        let commands: Vec<_> = members.iter().map(|member| &member.command).collect();
        let needs = commands
            .iter()
            .map(|command| vec![Row::Cart(command.request.asked_cart())]);
        Self {
            context,
            members,
            needs: needs.collect(),
            commands,
            tx: None,
        }
    }

    /// The stock that its transaction has locked, or may have.
    pub(super) fn reserved_rows(&self) -> Vec<Row> {
        let rows = self
            .needs
            .iter()
            .flatten()
            .filter(|row| matches!(row, Row::Stock(_)));
        rows.copied().collect()
    }

    /// Everything up to the commit. On an error the transaction is in `tx` if it can still be rolled
    /// back.
    pub(super) async fn run(
        &mut self,
        sequence: Sequence,
        deadline: Instant,
    ) -> Result<Scripted, AttemptError> {
        let context = self.context;
        let tx = self.tx.as_mut().expect("it was begun");
        let now = tx.began_at();
        let judged = judge(tx, &self.commands, context.terms, now);
        let Judged {
            prospects,
            available,
        } = self.context.in_time(judged).await??;
        let mut settled = Settled::decided(prospects, &self.commands);
        self.note_needs(&settled);
        self.set_aside(&mut settled).await?;
        let bids = settled.bids();
        match sequence {
            Sequence::WritesFirst => {
                let speculation = speculate(&bids, &available);
                settled.settle(&self.commands, &speculation.allocation.outcomes, now);
                let written = settled.write(context, self.tx(), now);
                context.in_time(written).await??;
                let reservation = Reservation::Optimistic(speculation.expected);
                let reserved = self.reserve(reservation, deadline).await?;
                if let Reserved::StockMoved { products } = reserved {
                    return Ok(Scripted::StockMoved { products });
                }
            }
            Sequence::StockFirst => {
                let reservation = Reservation::Pessimistic(bids);
                let reserved = self.reserve(reservation, deadline).await?;
                let Reserved::Allocated(outcomes) = reserved else {
                    unreachable!("nothing was expected of the stock");
                };
                settled.settle(&self.commands, &outcomes, now);
                let written = settled.write(context, self.tx(), now);
                context.in_time(written).await??;
            }
        }
        Ok(Scripted::Prepared(settled.prepared()))
    }

    fn tx(&mut self) -> &mut LentTx {
        self.tx.as_mut().expect("it is not lent")
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

    fn note_needs(&mut self, settled: &Settled) {
        for (index, plan) in &settled.plans {
            let needs = &mut self.needs[*index];
            let request = self.commands[*index].request;
            needs.extend([Row::Store(request.store_id), Row::User(request.user_id)]);
            for demand in plan.bid().demands {
                let stock = demand.stock;
                needs.extend([
                    Row::Stock(stock),
                    Row::Store(stock.vendor_store_id.into()),
                    Row::Product(stock.product_id),
                ]);
            }
        }
    }

    /// Takes those out who would only hold the others up: who needs what somebody holds, and what is
    /// too much for one transaction.
    async fn set_aside(&mut self, settled: &mut Settled<'_>) -> Result<(), AttemptError> {
        self.set_heavy_aside(settled);
        let held_rows = &self.context.held_rows;
        if held_rows.is_empty() {
            return Ok(());
        }
        // Where one row is held there may be more, of an import or of an instance that is stuck: they are
        // looked for, which costs a round trip, instead of being run into one after the other.
        let stock: BTreeSet<_> = settled
            .plans
            .iter()
            .filter(|(index, _)| self.members[*index].notes.set_aside_at.is_none())
            .flat_map(|(index, _)| &self.needs[*index])
            .filter_map(|row| match row {
                Row::Stock(stock) => Some(*stock),
                _ => None,
            })
            .collect();
        let stock: Vec<_> = stock.into_iter().collect();
        if !stock.is_empty() {
            let connection = self.tx.as_mut().expect("it is not lent").connection();
            held_rows.note(held_rows.look_at_stock(connection, &stock).await?);
        }
        settled.set_aside(|index| {
            let held = held_rows.among(&self.needs[index]);
            (!held.is_empty()).then_some(Outcome::Held(held))
        });
        Ok(())
    }

    /// A cart of so many lines would hold up the others of its batch: it goes to the slow lane. What is
    /// too much for one transaction waits for the next.
    fn set_heavy_aside(&self, settled: &mut Settled<'_>) {
        let mut left = self.context.batch_lines_max;
        let mut is_first = true;
        let heavy = self.context.heavy_from();
        let lines = settled
            .plans
            .iter()
            .map(|(_, plan)| plan.lines())
            .collect::<Vec<_>>();
        let mut lines = lines.into_iter();
        settled.set_aside(|index| {
            let lines = lines.next().expect("one figure per plan");
            let is_news = self.members[index].notes.lines.is_none();
            if lines > heavy && is_news && self.members.len() > 1 {
                return Some(Outcome::TooMuch { lines });
            }
            let fits = lines <= left || is_first;
            is_first = false;
            if fits {
                left = left.saturating_sub(lines);
                return None;
            }
            // Nobody behind it overtakes.
            left = 0;
            Some(Outcome::TooMuch { lines })
        });
    }
}
