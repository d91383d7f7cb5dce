//! One attempt at a batch: a transaction from the locks of the orders to its commit.
//!
//! All rows are written first. Then the turns of the vendors whose stock is freed are taken and the units
//! are moved, so turns are held for two round trips, as in a checkout. An acceptance frees nothing and
//! takes no turn.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::{
    db::{
        self, Fault,
        inventory::Freeing,
        locked_tables::{self, TableLock},
        orders::moves::{Held, Written},
        outbox::{ClaimedEvent, Event},
    },
    domain::{
        idempotency::{FirstAnswer, Scope},
        ids::{CheckoutGroupId, EventId},
        lock_order::StockKey,
        order_moves::Freed,
    },
    faults,
    held_rows::{LOOK_MAX, Row},
    vendors::{
        actor::ReserveError,
        unit_of_work::{Failed, Work},
    },
};

use super::{
    batch::{MoveMember, OrderBatches},
    command::{Decision, Done, MoveCommand, Request, Target},
    inputs::Inputs,
    ledger::{Carried, Ledger, add},
};

/// The outcome of a member in an attempt that did not fail.
pub(super) enum Outcome {
    Decided(Decision),
    /// Others hold the order or its group. Nothing was written for the member.
    OrderHeld,
    /// The member does not fit into the transaction with the others. Nothing was written for it.
    TooMuch {
        lines: usize,
    },
}

/// The reason for which everything that was written is rolled back.
#[derive(Debug, thiserror::Error)]
pub(super) enum ScriptError {
    #[error(transparent)]
    Statement(#[from] db::Error),
    #[error(transparent)]
    Turn(#[from] ReserveError),
    #[error("stock is held by other transactions")]
    StockHeld {
        /// The held rows that each member needs, in the order of the members.
        by_member: Vec<Vec<Row>>,
    },
    #[error("a whole table is locked: {0}")]
    TableLocked(TableLock),
    #[error("another transaction has written one of the idempotency keys")]
    KeyTaken,
    #[error("fewer units are reserved than the lines of orders hold: {by_member:?}")]
    NotReserved {
        /// The rows that are short for each member, in the order of the members.
        by_member: Vec<Vec<Row>>,
    },
}

impl Failed<ScriptError> {
    /// True if others hold a row or a table that is needed.
    pub(super) fn is_busy(&self) -> bool {
        matches!(self, Self::Script(ScriptError::Statement(error)) if error.fault() == Fault::Busy)
    }
}

/// Everything that a script has done, valid once it is committed.
struct Prepared {
    outcomes: Vec<Outcome>,
    events: Vec<ClaimedEvent>,
    statuses: Vec<&'static str>,
}

/// Carries members out in one transaction. Returns one outcome per member, in the same order.
pub(super) async fn attempt(
    context: &OrderBatches,
    members: &[MoveMember],
    held: Held,
) -> Result<Vec<Outcome>, Failed<ScriptError>> {
    faults::place("before_moves").await;
    let carried_out = context
        .unit
        .carry_out(async |work| script(context, members, held, work).await);
    let prepared = match carried_out.await {
        Err(failed) if failed.is_busy() => {
            let lock = find_locked_table(context).await;
            return Err(lock.map_or(failed, |lock| {
                Failed::Script(ScriptError::TableLocked(lock))
            }));
        }
        carried_out => carried_out?,
    };
    if !prepared.events.is_empty() {
        // A relay that is behind finds them in the outbox when their claim has ended.
        drop(context.committed_events.try_send(prepared.events));
    }
    for status in prepared.statuses {
        context.metrics.count_order_moved_to(status);
    }
    Ok(prepared.outcomes)
}

async fn find_locked_table(context: &OrderBatches) -> Option<TableLock> {
    let look = db::glance_within(&context.unit.pool, LOOK_MAX, async |connection| {
        locked_tables::find(connection, locked_tables::OF_MOVES).await
    });
    // Without an answer nothing is known.
    look.await.unwrap_or_default()
}

async fn script(
    context: &OrderBatches,
    members: &[MoveMember],
    held: Held,
    work: &mut Work,
) -> Result<Prepared, ScriptError> {
    let now = work.tx.began_at();
    let commands: Vec<_> = members.iter().map(|member| &member.command).collect();
    let mut inputs = Inputs::read(work.tx.connection(), &commands, held, now).await?;
    let mut ledger = Ledger::open(&mut inputs, now);
    let mut batch = Batch::new(now);
    let mut left = context.batch_lines_max;
    for (index, command) in commands.iter().enumerate() {
        let lines = ledger.lines(command);
        let outcome = if is_held(&inputs, command.target) {
            Outcome::OrderHeld
        } else if lines > left && index > 0 {
            // No later member overtakes this one.
            left = 0;
            Outcome::TooMuch { lines }
        } else {
            left = left.saturating_sub(lines);
            let caller = inputs.callers[index].as_ref();
            match ledger.carry_out(command, caller) {
                Ok(carried) => Outcome::Decided(batch.add(index, command, carried)),
                Err(decision) => Outcome::Decided(decision),
            }
        };
        batch.outcomes.push(outcome);
    }
    let events = batch.write(context, work, &ledger).await?;
    faults::place("moves_written").await;
    free_stock(context, work, &batch).await?;
    faults::place("stock_freed").await;
    let statuses = ledger.changed_orders().into_iter();
    Ok(Prepared {
        statuses: statuses.map(|placed| placed.order.status.word()).collect(),
        outcomes: batch.outcomes,
        events,
    })
}

fn is_held(inputs: &Inputs, target: Target) -> bool {
    let held = &inputs.locked.held;
    match target {
        Target::Order(id) => held.contains_key(&id),
        Target::Group(id) => held.values().any(|group| *group == id),
    }
}

/// What is to be written for the commands that were carried out in memory.
struct Batch<'a> {
    now: DateTime<Utc>,
    outcomes: Vec<Outcome>,
    events: Vec<Event>,
    first_answers: Vec<(&'a Scope, FirstAnswer)>,
    /// The units that each member frees, by its index.
    freed: BTreeMap<usize, BTreeMap<StockKey, Freed>>,
}

impl<'a> Batch<'a> {
    fn new(now: DateTime<Utc>) -> Self {
        Self {
            now,
            outcomes: Vec::new(),
            events: Vec::new(),
            first_answers: Vec::new(),
            freed: BTreeMap::new(),
        }
    }

    fn add(&mut self, index: usize, command: &'a MoveCommand, carried: Carried) -> Decision {
        let Carried { done, freed, moved } = carried;
        if !freed.is_empty() {
            self.freed.insert(index, freed);
        }
        let request = command.request.as_ref();
        let actor = request.map(Request::actor);
        let traceparent = request.and_then(|request| request.traceparent.as_ref());
        for (placed, moved) in &moved {
            let id = EventId::new(Uuid::now_v7());
            let event = Event::of_move(placed, moved, &command.order_move, actor, id);
            self.events.push(event.in_trace(traceparent));
        }
        let Some(request) = &command.request else {
            return Decision::Moved(None);
        };
        let response = (request.render)(&done);
        let first_answer = FirstAnswer {
            fingerprint: request.fingerprint,
            checkout_group_id: group_of(&done),
            response: response.clone(),
        };
        self.first_answers.push((&request.scope, first_answer));
        Decision::Moved(Some(response))
    }

    /// Writes all rows but the stock.
    async fn write(
        &mut self,
        context: &OrderBatches,
        work: &mut Work,
        ledger: &Ledger,
    ) -> Result<Vec<ClaimedEvent>, ScriptError> {
        let orders = ledger.changed_orders();
        if orders.is_empty() {
            return Ok(Vec::new());
        }
        let (lines, groups) = (ledger.changed_lines(), ledger.changed_groups());
        let connection = work.tx.connection();
        let written = db::orders::moves::write(connection, &orders, &lines, &groups).await?;
        let intents = orders.iter().filter(|it| it.order.payment_intent.is_some());
        let count = |rows: usize| i64::try_from(rows).unwrap_or(i64::MAX);
        let expected = Written {
            orders: count(orders.len()),
            lines: count(lines.len()),
            intents: count(intents.count()),
            groups: count(groups.len()),
        };
        assert_eq!(written, expected, "every row that was read is there");
        let events = std::mem::take(&mut self.events);
        let events =
            db::outbox::announce_in_order(connection, events, context.claim_events_for).await?;
        if !self.first_answers.is_empty() {
            let expires_at = self.now + context.keep_answers_for;
            let answers = &self.first_answers;
            let kept =
                db::idempotency::record_first_answers(connection, answers, self.now, expires_at);
            if kept.await? != answers.len() as u64 {
                return Err(ScriptError::KeyTaken);
            }
        }
        Ok(events)
    }

    /// The rows of this stock that each member frees units of, in the order of the members.
    fn needs_of_members(&self, stock: &BTreeSet<StockKey>) -> Vec<Vec<Row>> {
        let needs = |index: usize| {
            let freed = self.freed.get(&index).into_iter().flat_map(BTreeMap::keys);
            let needed = freed.filter(|key| stock.contains(key));
            needed.copied().map(Row::Stock).collect()
        };
        (0..self.outcomes.len()).map(needs).collect()
    }

    /// The units that all members free.
    fn all_freed(&self) -> BTreeMap<StockKey, Freed> {
        let mut all = BTreeMap::new();
        for freed in self.freed.values() {
            add(&mut all, freed);
        }
        all
    }
}

fn group_of(done: &Done) -> CheckoutGroupId {
    match done {
        Done::Order(placed) => placed.checkout_group_id,
        Done::Group(group) => group.id,
    }
}

/// Takes the vendors' turns and moves the units.
async fn free_stock(
    context: &OrderBatches,
    work: &mut Work,
    batch: &Batch<'_>,
) -> Result<(), ScriptError> {
    let freed = batch.all_freed();
    if freed.is_empty() {
        return Ok(());
    }
    let vendors: BTreeSet<_> = freed.keys().map(|stock| stock.vendor_store_id).collect();
    context
        .directory
        .take_turns(&mut work.tx, vendors, work.deadline)
        .await?;
    work.stock = freed.keys().copied().map(Row::Stock).collect();
    let freeing = db::inventory::free(work.tx.connection(), &freed);
    let Freeing { short, held } =
        db::in_time(context.stock_wait_max, "free stock", freeing).await?;
    if !short.is_empty() {
        return Err(ScriptError::NotReserved {
            by_member: batch.needs_of_members(&short),
        });
    }
    if held.is_empty() {
        Ok(())
    } else {
        Err(ScriptError::StockHeld {
            by_member: batch.needs_of_members(&held),
        })
    }
}
