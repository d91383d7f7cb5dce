//! The orders of a batch in memory, changed by one command after the other in the order of their arrival,
//! so that a command sees what those in front of it have done. Nothing is read or written here.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use chrono::{DateTime, TimeDelta, Utc};

use crate::{
    db::orders::moves::{GroupChange, LineChange},
    domain::{
        caller::{Access, Forbidden, Member},
        cart::Totals,
        ids::{CheckoutGroupId, LineItemId, OrderId, StoreId},
        lock_order::StockKey,
        order::PlacedOrder,
        order_moves::{Freed, Move, MoveRefusal, Moved, StateConflict},
        pricing::DiscountTerms,
    },
};

use super::{
    command::{Decision, Done, MoveCommand, MovedGroup, Refusal, Request, Target},
    inputs::{Caller, Inputs},
};

/// The orders and groups of a batch, as they are after the commands so far.
pub(super) struct Ledger {
    now: DateTime<Utc>,
    orders: BTreeMap<OrderId, Entry>,
    groups: BTreeMap<CheckoutGroupId, Group>,
}

struct Entry {
    placed: PlacedOrder,
    discount: Option<DiscountTerms>,
    /// The lines that have changed; empty as long as the order is as it was read.
    changed: BTreeSet<LineItemId>,
}

struct Group {
    orders: BTreeSet<OrderId>,
    before: Totals,
    after: Totals,
}

/// A command that was carried out in memory.
pub(super) struct Carried {
    pub done: Done,
    /// The units that are no longer reserved.
    pub freed: BTreeMap<StockKey, Freed>,
    /// The orders as they are after the move, in ascending id, with what it has changed.
    pub moved: Vec<(PlacedOrder, Moved)>,
}

impl Ledger {
    /// The ledger before the first command.
    pub(super) fn open(inputs: &mut Inputs, now: DateTime<Utc>) -> Self {
        let orders = std::mem::take(&mut inputs.orders);
        let mut discounts: HashMap<_, _> = std::mem::take(&mut inputs.discounts);
        let orders = orders.into_iter().map(|(id, placed)| {
            let entry = Entry {
                placed,
                discount: discounts.remove(&id),
                changed: BTreeSet::new(),
            };
            (id, entry)
        });
        let groups = inputs.locked.groups.iter().map(|(id, group)| {
            let group = Group {
                orders: group.orders.clone(),
                before: group.totals,
                after: group.totals,
            };
            (*id, group)
        });
        Self {
            now,
            orders: orders.collect(),
            groups: groups.collect(),
        }
    }

    /// The number of line items that a command may change.
    pub(super) fn lines(&self, command: &MoveCommand) -> usize {
        let lines = |id: &OrderId| {
            self.orders
                .get(id)
                .map_or(0, |it| it.placed.order.lines.len())
        };
        match command.target {
            Target::Order(id) => lines(&id),
            Target::Group(id) => self
                .groups
                .get(&id)
                .map_or(0, |group| group.orders.iter().map(lines).sum()),
        }
    }

    /// Carries a command out in memory. The caller is checked first, then the key, then the order.
    ///
    /// # Errors
    /// A decision for which nothing is to be written.
    pub(super) fn carry_out(
        &mut self,
        command: &MoveCommand,
        caller: Option<&Caller>,
    ) -> Result<Carried, Decision> {
        let refused = Decision::Refused;
        let by = match (&command.request, caller) {
            (Some(request), Some(caller)) => Some(admit(request, caller)?),
            _ => None,
        };
        match command.target {
            Target::Order(id) => self.move_order(id, &command.order_move, by),
            Target::Group(id) => self.move_group(id, &command.order_move, by),
        }
        .map_err(refused)
    }

    fn move_order(
        &mut self,
        id: OrderId,
        order_move: &Move,
        by: Option<(StoreId, Member<'_>)>,
    ) -> Result<Carried, Refusal> {
        let not_found = || Refusal::NotFound(Target::Order(id));
        let entry = self.orders.get_mut(&id).ok_or_else(not_found)?;
        if let Some((store, member)) = by {
            let side = side_of(&entry.placed, store).ok_or_else(not_found)?;
            check_side(order_move, side, member)?;
        }
        let moved = self.apply(id, order_move)?;
        let placed = self.orders[&id].placed.clone();
        Ok(Carried {
            done: Done::Order(Box::new(placed.clone())),
            freed: moved.freed.clone(),
            moved: vec![(placed, moved)],
        })
    }

    fn move_group(
        &mut self,
        id: CheckoutGroupId,
        order_move: &Move,
        by: Option<(StoreId, Member<'_>)>,
    ) -> Result<Carried, Refusal> {
        let not_found = || Refusal::NotFound(Target::Group(id));
        let ids = self.groups.get(&id).ok_or_else(not_found)?.orders.clone();
        if let Some((store, member)) = by {
            let sides = ids.iter().map(|id| side_of(&self.orders[id].placed, store));
            let side = sides.flatten().next().ok_or_else(not_found)?;
            check_side(order_move, side, member)?;
        }
        let mut by_vendor: Vec<_> = ids.into_iter().collect();
        by_vendor.sort_unstable_by_key(|id| self.orders[id].placed.order.vendor_store_id);
        let (mut moved, mut others) = (Vec::new(), Vec::new());
        for id in by_vendor {
            match self.apply(id, order_move) {
                Ok(it) => moved.push((id, it)),
                Err(MoveRefusal::StateConflict(_)) => others.push(id),
                Err(refusal) => return Err(refusal.into()),
            }
        }
        if moved.is_empty() {
            return Err(Refusal::StateConflict(StateConflict {
                order: None,
                allowed: order_move.allowed(),
                line_item_ids: Vec::new(),
            }));
        }
        let mut freed = BTreeMap::new();
        for (_, moved) in &moved {
            add(&mut freed, &moved.freed);
        }
        Ok(Carried {
            done: Done::Group(MovedGroup {
                id,
                moved: moved.iter().map(|(id, _)| *id).collect(),
                others,
                total: self.groups[&id].after.total,
            }),
            freed,
            moved: moved
                .into_iter()
                .map(|(id, moved)| (self.orders[&id].placed.clone(), moved))
                .collect(),
        })
    }

    /// Makes a move of one order. Its time is after that of the move before, whatever the clock says:
    /// consumers of its events rely on the order of these times.
    fn apply(&mut self, id: OrderId, order_move: &Move) -> Result<Moved, MoveRefusal> {
        let entry = self.orders.get_mut(&id).expect("it was found");
        let placed = &mut entry.placed;
        let before = placed.order.totals;
        let moved = order_move.make(&mut placed.order, entry.discount)?;
        placed.updated_at = self.now.max(placed.updated_at + TimeDelta::microseconds(1));
        entry.changed.extend(&moved.lines);
        let group = self.groups.get_mut(&placed.checkout_group_id);
        let group = group.expect("an order is locked with its group");
        group.after = exchanged(group.after, before, placed.order.totals);
        Ok(moved)
    }

    /// The changed orders.
    pub(super) fn changed_orders(&self) -> Vec<&PlacedOrder> {
        let changed = self.orders.values().filter(|it| !it.changed.is_empty());
        changed.map(|entry| &entry.placed).collect()
    }

    /// The changed lines.
    pub(super) fn changed_lines(&self) -> Vec<LineChange<'_>> {
        let changes = self.orders.values().flat_map(|entry| {
            let moved_at = entry.placed.updated_at;
            let lines = entry.placed.order.lines.iter();
            let changed = lines.filter(|line| entry.changed.contains(&line.id));
            changed.map(move |line| LineChange { line, moved_at })
        });
        changes.collect()
    }

    /// The groups whose figures have changed.
    pub(super) fn changed_groups(&self) -> Vec<GroupChange> {
        let changed = self
            .groups
            .iter()
            .filter(|(_, group)| group.before != group.after);
        changed
            .map(|(id, group)| GroupChange {
                id: *id,
                before: group.before,
                after: group.after,
            })
            .collect()
    }
}

/// Adds units to be freed.
pub(super) fn add(all: &mut BTreeMap<StockKey, Freed>, more: &BTreeMap<StockKey, Freed>) {
    for (stock, freed) in more {
        let sum = all.entry(*stock).or_default();
        sum.released += freed.released;
        sum.fulfilled += freed.fulfilled;
    }
}

/// Checks the caller, and then the key.
fn admit<'a>(request: &Request, caller: &'a Caller) -> Result<(StoreId, Member<'a>), Decision> {
    let member = Member::admit(caller.membership.as_ref(), Access::Change)
        .map_err(|reason| Decision::Refused(Refusal::Forbidden(reason)))?;
    match &caller.first_answer {
        Some(first) if first.fingerprint == request.fingerprint => {
            Err(Decision::Replayed(first.response.clone()))
        }
        Some(_) => Err(Decision::Refused(Refusal::KeyReused)),
        None => Ok((request.scope.store_id, member)),
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Buyer,
    Vendor,
}

/// The side of a store in an order; `None` if the order is not the store's.
fn side_of(placed: &PlacedOrder, store: StoreId) -> Option<Side> {
    if StoreId::from(placed.buyer_store_id) == store {
        Some(Side::Buyer)
    } else if StoreId::from(placed.order.vendor_store_id) == store {
        Some(Side::Vendor)
    } else {
        None
    }
}

fn check_side(order_move: &Move, side: Side, member: Member<'_>) -> Result<(), Forbidden> {
    match order_move {
        Move::Decide(_) | Move::Fulfil => {
            if side != Side::Vendor {
                return Err(Forbidden::NotTheVendorOfTheOrder);
            }
            member.of_vendor()?;
        }
        Move::Cancel { .. } | Move::Expire => {
            if side != Side::Buyer {
                return Err(Forbidden::NotTheBuyerOfTheOrder);
            }
            member.of_buyer()?;
        }
    }
    Ok(())
}

impl From<Forbidden> for Refusal {
    fn from(reason: Forbidden) -> Self {
        Self::Forbidden(reason)
    }
}

/// A sum in which one part has changed.
fn exchanged(sum: Totals, before: Totals, after: Totals) -> Totals {
    Totals {
        subtotal: sum.subtotal - before.subtotal + after.subtotal,
        discount_total: sum.discount_total - before.discount_total + after.discount_total,
        total: sum.total - before.total + after.total,
    }
}
