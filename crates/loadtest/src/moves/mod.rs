//! The moves that follow a checkout: which of them, in which shares, and what each request says. Pure.

#[cfg(test)]
mod tests;

use rand::{RngExt, rngs::SmallRng};
use serde::Serialize;
use serde_json::{Value, json};

use splitcart::{
    domain::ids::{LineItemId, VendorStoreId},
    http::paths::{GROUP_CANCELLATION, ORDER_CANCELLATION, ORDER_DECISION, ORDER_FULFILLMENT},
};

use super::placed::{Order, Placed};

/// The kinds of moves, which are measured apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum MoveKind {
    Decision,
    Fulfillment,
    Cancellation,
}

impl MoveKind {
    /// All of them, in the sequence of the report.
    pub const ALL: [Self; 3] = [Self::Decision, Self::Fulfillment, Self::Cancellation];

    /// The plural, for people.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Decision => "decisions",
            Self::Fulfillment => "fulfillments",
            Self::Cancellation => "cancellations",
        }
    }
}

/// The shares of what becomes of orders, each from 0 to 1.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct MoveShares {
    /// Decisions that reject all lines.
    pub reject: f64,
    /// Decisions about single lines.
    pub by_line: f64,
    /// Accepted orders that are fulfilled.
    pub fulfill: f64,
    /// Orders that the buyer cancels, half of them before the vendor's decision.
    pub cancel: f64,
    /// Checkouts that the buyer cancels as a whole, before any decision.
    pub cancel_group: f64,
}

/// The caller of a move.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mover {
    Buyer,
    Vendor(VendorStoreId),
}

/// A request that moves an order or a group.
#[derive(Clone, Debug, PartialEq)]
pub struct PlannedMove {
    pub kind: MoveKind,
    pub by: Mover,
    pub path: String,
    pub body: Value,
}

impl MoveShares {
    /// The moves of a checkout's orders. A chain is the moves of one order, of which each needs the one
    /// before it.
    pub fn chains(&self, placed: &Placed, dice: &mut SmallRng) -> Vec<Vec<PlannedMove>> {
        if dice.random_bool(self.cancel_group) {
            return vec![vec![PlannedMove {
                kind: MoveKind::Cancellation,
                by: Mover::Buyer,
                path: GROUP_CANCELLATION.replace("{id}", &placed.group_id.to_string()),
                body: json!({}),
            }]];
        }
        let orders = placed.orders.iter();
        orders.map(|order| self.chain(order, dice)).collect()
    }

    fn chain(&self, order: &Order, dice: &mut SmallRng) -> Vec<PlannedMove> {
        let is_canceled = dice.random_bool(self.cancel);
        if is_canceled && dice.random_bool(0.5) {
            return vec![cancellation(order)];
        }
        let (mut chain, is_anything_left) = match self.decide(order, dice) {
            Verdicts::Whole { accept } => {
                let word = if accept { "accept" } else { "reject" };
                let body = json!({ "decision": word });
                (vec![decision(order, body)], accept)
            }
            Verdicts::Lines(lines) => {
                let is_any_accepted = lines.iter().any(|line| line["decision"] == "accept");
                // One decision about the first line, and one about the rest.
                let (first, rest) = lines.split_at(1);
                let bodies = [first, rest].into_iter().filter(|part| !part.is_empty());
                let decisions = bodies.map(|part| decision(order, json!({ "lines": part })));
                (decisions.collect(), is_any_accepted)
            }
        };
        if is_anything_left && is_canceled {
            chain.push(cancellation(order));
        } else if is_anything_left && dice.random_bool(self.fulfill) {
            chain.push(PlannedMove {
                kind: MoveKind::Fulfillment,
                by: Mover::Vendor(order.vendor_store_id),
                path: path_of(ORDER_FULFILLMENT, order),
                body: json!({}),
            });
        }
        chain
    }

    /// One decision about the whole order.
    pub fn decision(&self, order: &Order, dice: &mut SmallRng) -> PlannedMove {
        let body = match self.decide(order, dice) {
            Verdicts::Whole { accept: true } => json!({ "decision": "accept" }),
            Verdicts::Whole { accept: false } => json!({ "decision": "reject" }),
            Verdicts::Lines(lines) => json!({ "lines": lines }),
        };
        decision(order, body)
    }

    fn decide(&self, order: &Order, dice: &mut SmallRng) -> Verdicts {
        let roll = dice.random_range(0.0..1.0);
        if roll < self.by_line {
            let lines = order.pending().into_iter().enumerate();
            // The first line is rejected where another one is left.
            let is_accepted = |number| number > 0 || order.pending().len() == 1;
            let verdicts = lines.map(|(number, id)| verdict(id, is_accepted(number)));
            Verdicts::Lines(verdicts.collect())
        } else {
            let accept = roll >= self.by_line + self.reject;
            Verdicts::Whole { accept }
        }
    }
}

enum Verdicts {
    Whole { accept: bool },
    Lines(Vec<Value>),
}

fn verdict(line_item_id: LineItemId, is_accepted: bool) -> Value {
    let word = if is_accepted { "accept" } else { "reject" };
    json!({ "line_item_id": line_item_id, "decision": word })
}

fn decision(order: &Order, body: Value) -> PlannedMove {
    PlannedMove {
        kind: MoveKind::Decision,
        by: Mover::Vendor(order.vendor_store_id),
        path: path_of(ORDER_DECISION, order),
        body,
    }
}

fn cancellation(order: &Order) -> PlannedMove {
    PlannedMove {
        kind: MoveKind::Cancellation,
        by: Mover::Buyer,
        path: path_of(ORDER_CANCELLATION, order),
        body: json!({}),
    }
}

fn path_of(template: &str, order: &Order) -> String {
    template.replace("{id}", &order.id.to_string())
}
