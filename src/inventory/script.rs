//! The transaction script of a count: everything between its begin and its commit.
//!
//! What can be read without a lock is read first. Between the vendor's turn and the commit there are two
//! statements: one that locks the rows, and one that writes them with the answer.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::{
    db::{
        self,
        inventory::{FoundStock, NewAnswer, Written},
        outbox::{ClaimedEvent, Event},
    },
    domain::{
        caller::{Access, Member},
        event::EventActor,
        ids::{EventId, ProductId, VendorStoreId},
        lock_order::StockKey,
        low_stock::StockTaken,
        stock_count::{CountedItem, StockRow, count},
    },
    faults,
    held_rows::Row,
    vendors::{lent_tx::LentTx, unit_of_work::Work},
};

use super::{
    command::{CountStock, Decision, Refusal},
    desk::CountContext,
    failure::ScriptError,
};

/// The result of a script. The transaction can be committed.
pub(super) struct Scripted {
    pub decision: Decision,
    /// The items that were decided just now.
    pub items: Vec<CountedItem>,
    /// Events to be published.
    pub events: Vec<ClaimedEvent>,
}

impl From<Decision> for Scripted {
    fn from(decision: Decision) -> Self {
        Self {
            decision,
            items: Vec::new(),
            events: Vec::new(),
        }
    }
}

/// A transaction script.
#[derive(Clone, Copy)]
pub(super) struct Script<'a> {
    pub context: &'a CountContext,
    pub command: &'a CountStock,
}

impl Script<'_> {
    /// Does everything up to the commit.
    pub(super) async fn run(
        self,
        Work {
            tx,
            deadline,
            stock,
        }: &mut Work,
    ) -> Result<Scripted, ScriptError> {
        let vendor = match self.admit(tx).await? {
            Ok(vendor) => vendor,
            Err(decision) => return Ok(decision.into()),
        };
        let items = &self.command.items;
        let found = db::inventory::find_products(tx.connection(), vendor, items).await?;
        let key = |found: &FoundStock| StockKey {
            vendor_store_id: vendor,
            product_id: found.product.id,
        };
        let existing = found.iter().flatten().filter(|found| found.has_row);
        let keys: BTreeSet<_> = existing.map(key).collect();
        let keys: Vec<_> = keys.into_iter().collect();
        let known = self.context.vendors.held_rows.among(&rows(&keys));
        if !known.is_empty() {
            return Err(ScriptError::Held(known));
        }
        let directory = &self.context.vendors.directory;
        directory.take_turns(tx, [vendor].into(), *deadline).await?;
        *stock = rows(&keys);
        // To wait for a row here would keep the vendor's checkouts waiting, too.
        let locked = db::inventory::lock_free_rows(tx.connection(), &keys).await?;
        faults::place("stock_locked").await;
        let held = keys
            .iter()
            .filter(|key| !locked.contains_key(&key.product_id));
        let held: Vec<_> = held.copied().collect();
        if !held.is_empty() {
            return Err(ScriptError::Held(rows(&held)));
        }
        let products: Vec<_> = found
            .into_iter()
            .map(|found| found.map(|found| found.product))
            .collect();
        let counted = count(items, &products, &locked);
        let response = (self.command.render)(&counted.items);
        let now = tx.began_at();
        let answer = NewAnswer {
            scope: self.command.scope,
            fingerprint: self.command.fingerprint,
            response: response.clone(),
            expires_at: now + self.context.keep_answers_for,
        };
        let (there, missing): (Vec<_>, Vec<_>) = counted
            .writes
            .into_iter()
            .map(|(product_id, row)| {
                let key = StockKey {
                    vendor_store_id: vendor,
                    product_id,
                };
                (key, row)
            })
            .partition(|(key, _)| locked.contains_key(&key.product_id));
        let written =
            db::inventory::write_counts(tx.connection(), &there, &missing, Some(&answer), now);
        let Written {
            updated,
            inserted,
            written_at,
        } = written.await?;
        if (updated, inserted) != (there.len() as u64, missing.len() as u64) {
            return Err(ScriptError::RowAppeared);
        }
        faults::place("stock_written").await;
        let events = self.announce_low(tx, low(&locked, &there, written_at));
        Ok(Scripted {
            decision: Decision::Counted(response),
            items: counted.items,
            events: events.await?,
        })
    }

    /// Announces stock that has run low. With none there is no statement.
    async fn announce_low(
        &self,
        tx: &mut LentTx,
        low: Vec<StockTaken>,
    ) -> Result<Vec<ClaimedEvent>, db::Error> {
        if low.is_empty() {
            return Ok(Vec::new());
        }
        let actor = EventActor {
            user_id: self.command.user_id,
            store_id: self.command.store_id,
        };
        let id = || EventId::new(Uuid::now_v7());
        let traceparent = self.command.traceparent.as_ref();
        let events = low
            .iter()
            .map(|taken| Event::of_low_stock(taken, Some(actor), id()).in_trace(traceparent));
        let claim_for = self.context.claim_events_for;
        db::outbox::announce_in_order(tx.connection(), events.collect(), claim_for).await
    }

    /// The vendor, or the decision about a caller who may not count or a key that has an answer.
    async fn admit(&self, tx: &mut LentTx) -> Result<Result<VendorStoreId, Decision>, ScriptError> {
        let CountStock {
            user_id,
            store_id,
            scope,
            fingerprint,
            ..
        } = *self.command;
        let membership = db::stores::find_membership(tx.connection(), user_id, store_id).await?;
        let vendor = Member::admit(membership.as_ref(), Access::Change).and_then(Member::of_vendor);
        let vendor = match vendor {
            Ok(vendor) => vendor,
            Err(reason) => return Ok(Err(Decision::Refused(Refusal::Forbidden(reason)))),
        };
        let first = db::inventory::find_first_answer(tx.connection(), scope).await?;
        Ok(match first {
            None => Ok(vendor),
            Some((of, response)) if of == fingerprint => Err(Decision::Replayed(response)),
            Some(_) => Err(Decision::Refused(Refusal::KeyReused)),
        })
    }
}

/// The rows whose stock has run low.
fn low(
    before: &BTreeMap<ProductId, StockRow>,
    after: &[(StockKey, StockRow)],
    taken_at: DateTime<Utc>,
) -> Vec<StockTaken> {
    let taken = after.iter().map(|(key, row)| StockTaken {
        stock: *key,
        available_before: before[&key.product_id].available_qty,
        available_qty: row.available_qty,
        low_stock_threshold: row.low_stock_threshold,
        taken_at,
    });
    taken.filter(StockTaken::has_run_low).collect()
}

/// The keys as rows that may be held.
fn rows(keys: &[StockKey]) -> Vec<Row> {
    keys.iter().copied().map(Row::Stock).collect()
}
