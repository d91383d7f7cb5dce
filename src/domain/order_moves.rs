//! The life of an order after its checkout: the moves, and the statuses from which each of them is allowed
//! (docs/orders.md).
//!
//! A unit is at any time available, reserved by one line, or gone. A move changes lines, and says which
//! units it takes from reserved to available or to gone: those of the lines that it ends, and no others.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::{
    ids::{LineItemId, OrderId},
    lock_order::StockKey,
    note::Note,
    order::{LineStatus, OrderLine, OrderStatus, VendorOrder},
    order_figures::compute_anew,
    pricing::DiscountTerms,
    rejection::{LineRejectionReason, OrderRejectionReason, Rejection},
};

/// A move of one order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Move {
    /// The vendor decides about lines.
    Decide(Decision),
    /// The vendor hands over the accepted lines.
    Fulfil,
    /// The buyer calls the order off.
    Cancel { note: Option<Note> },
    /// The vendor has not decided in time.
    Expire,
}

/// A vendor's decision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// One verdict about all pending lines.
    AllPending(Verdict),
    /// A verdict about each of these lines.
    Lines(Vec<(LineItemId, Verdict)>),
}

/// A vendor's verdict about a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The vendor delivers the line.
    Accept,
    /// The vendor does not, and may say why.
    Reject { note: Option<Note> },
}

/// The reason for which a move is not made; nothing is changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MoveRefusal {
    /// The decision names lines that the order does not have, at these places.
    UnknownLines(Vec<usize>),
    /// The order or a line is in a status from which there is no such move.
    StateConflict(StateConflict),
}

/// A status from which there is no such move.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StateConflict {
    /// The order and its status; `None` if the move was asked for a whole group.
    pub order: Option<(OrderId, OrderStatus)>,
    /// The statuses from which the move is allowed.
    pub allowed: &'static [OrderStatus],
    /// The lines that are not pending any more, if the decision names such lines.
    pub line_item_ids: Vec<LineItemId>,
}

/// Units of one product that a move takes out of the reserved ones; at least one of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Freed {
    /// Units that are available again.
    pub released: i32,
    /// Units that are gone.
    pub fulfilled: i32,
}

/// The effect of a move beside the changed order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Moved {
    /// The changed lines.
    pub lines: BTreeSet<LineItemId>,
    /// The units that are no longer reserved.
    pub freed: BTreeMap<StockKey, Freed>,
}

impl Move {
    /// The statuses from which the move is allowed.
    pub const fn allowed(&self) -> &'static [OrderStatus] {
        match self {
            Self::Decide(_) | Self::Expire => &[OrderStatus::CreatedPending],
            Self::Fulfil => &[OrderStatus::Accepted, OrderStatus::PartiallyAccepted],
            Self::Cancel { .. } => &[
                OrderStatus::CreatedPending,
                OrderStatus::Accepted,
                OrderStatus::PartiallyAccepted,
            ],
        }
    }

    /// Makes the move. The figures are computed anew, with the discount that the vendor has granted.
    ///
    /// # Errors
    /// The move is not allowed; the order is as it was.
    pub fn make(
        &self,
        order: &mut VendorOrder,
        discount: Option<DiscountTerms>,
    ) -> Result<Moved, MoveRefusal> {
        let changes = self.changes(order)?;
        let mut moved = Moved::default();
        let vendor_store_id = order.vendor_store_id;
        for (line, change) in order.lines.iter_mut().zip(changes) {
            let Some(change) = change else { continue };
            moved.lines.insert(line.id);
            let stock = StockKey {
                vendor_store_id,
                product_id: line.product_id,
            };
            change.make(line, moved.freed.entry(stock).or_default());
        }
        moved.freed.retain(|_, freed| *freed != Freed::default());
        order.status = self.status_after(&order.lines);
        if order.status == OrderStatus::Rejected {
            order.rejection_reason = Some(OrderRejectionReason::VendorRejected);
        }
        compute_anew(order, discount);
        Ok(moved)
    }

    /// The change of each line, in their order.
    fn changes(&self, order: &VendorOrder) -> Result<Vec<Option<LineChange>>, MoveRefusal> {
        if let Self::Decide(Decision::Lines(verdicts)) = self {
            refuse_unknown(verdicts, &order.lines)?;
        }
        let conflict = |line_item_ids: Vec<_>| {
            MoveRefusal::StateConflict(StateConflict {
                order: Some((order.id, order.status)),
                allowed: self.allowed(),
                line_item_ids,
            })
        };
        let decided = self.lines_decided_before(&order.lines);
        if !decided.is_empty() || !self.allowed().contains(&order.status) {
            return Err(conflict(decided));
        }
        let verdicts = self.verdicts();
        let lines = order.lines.iter();
        Ok(lines.map(|line| self.change_of(line, &verdicts)).collect())
    }

    fn change_of(
        &self,
        line: &OrderLine,
        verdicts: &HashMap<LineItemId, &Verdict>,
    ) -> Option<LineChange> {
        use LineStatus::{Accepted, Pending};
        let is_held = matches!(line.status, Pending | Accepted);
        match self {
            Self::Decide(Decision::AllPending(verdict)) => {
                (line.status == Pending).then(|| verdict.into())
            }
            Self::Decide(Decision::Lines(_)) => verdicts.get(&line.id).map(|it| (*it).into()),
            Self::Fulfil => (line.status == Accepted).then_some(LineChange::Fulfil),
            Self::Cancel { note } => is_held.then(|| LineChange::Reject {
                reason: LineRejectionReason::OrderCanceled,
                note: note.clone(),
            }),
            Self::Expire => is_held.then_some(LineChange::Reject {
                reason: LineRejectionReason::OrderExpired,
                note: None,
            }),
        }
    }

    fn verdicts(&self) -> HashMap<LineItemId, &Verdict> {
        match self {
            Self::Decide(Decision::Lines(verdicts)) => verdicts
                .iter()
                .map(|(id, verdict)| (*id, verdict))
                .collect(),
            _ => HashMap::new(),
        }
    }

    /// The named lines that are not pending any more, in the sequence of the decision.
    fn lines_decided_before(&self, lines: &[OrderLine]) -> Vec<LineItemId> {
        let Self::Decide(Decision::Lines(verdicts)) = self else {
            return Vec::new();
        };
        let pending = lines
            .iter()
            .filter(|line| line.status == LineStatus::Pending);
        let pending: BTreeSet<_> = pending.map(|line| line.id).collect();
        let named = verdicts.iter().map(|(id, _)| *id);
        named.filter(|id| !pending.contains(id)).collect()
    }

    fn status_after(&self, lines: &[OrderLine]) -> OrderStatus {
        match self {
            Self::Decide(_) => status_after_decision(lines),
            Self::Fulfil => OrderStatus::Fulfilled,
            Self::Cancel { .. } => OrderStatus::Canceled,
            Self::Expire => OrderStatus::Expired,
        }
    }
}

impl OrderStatus {
    /// True if no move leads on from this status.
    pub const fn is_final(self) -> bool {
        matches!(
            self,
            Self::Rejected | Self::Fulfilled | Self::Canceled | Self::Expired
        )
    }
}

/// Lines that the checkout has rejected take no part in a decision.
fn status_after_decision(lines: &[OrderLine]) -> OrderStatus {
    let count = |status: LineStatus| lines.iter().filter(|line| line.status == status).count();
    let declined = lines.iter().filter_map(|line| line.rejection.as_ref());
    let declined = declined.filter(|it| it.reason == LineRejectionReason::VendorRejected);
    let is_any_declined = declined.count() > 0;
    if count(LineStatus::Pending) > 0 {
        OrderStatus::CreatedPending
    } else if count(LineStatus::Accepted) == 0 {
        OrderStatus::Rejected
    } else if is_any_declined {
        OrderStatus::PartiallyAccepted
    } else {
        OrderStatus::Accepted
    }
}

fn refuse_unknown(
    verdicts: &[(LineItemId, Verdict)],
    lines: &[OrderLine],
) -> Result<(), MoveRefusal> {
    let known: BTreeSet<_> = lines.iter().map(|line| line.id).collect();
    let named = verdicts.iter().enumerate();
    let unknown: Vec<_> = named
        .filter(|(_, (id, _))| !known.contains(id))
        .map(|(place, _)| place)
        .collect();
    if unknown.is_empty() {
        Ok(())
    } else {
        Err(MoveRefusal::UnknownLines(unknown))
    }
}

/// The change of a line that holds stock.
enum LineChange {
    Accept,
    Fulfil,
    Reject {
        reason: LineRejectionReason,
        note: Option<Note>,
    },
}

impl From<&Verdict> for LineChange {
    fn from(verdict: &Verdict) -> Self {
        match verdict {
            Verdict::Accept => Self::Accept,
            Verdict::Reject { note } => Self::Reject {
                reason: LineRejectionReason::VendorRejected,
                note: note.clone(),
            },
        }
    }
}

impl LineChange {
    fn make(self, line: &mut OrderLine, freed: &mut Freed) {
        match self {
            Self::Accept => line.status = LineStatus::Accepted,
            Self::Fulfil => {
                line.status = LineStatus::Fulfilled;
                freed.fulfilled += line.qty;
            }
            Self::Reject { reason, note } => {
                line.status = LineStatus::Rejected;
                line.rejection = Some(Rejection {
                    note,
                    ..Rejection::because(reason)
                });
                freed.released += line.qty;
            }
        }
    }
}
