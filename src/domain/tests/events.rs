//! The events of moves: their names, and the lines that they tell of.

use serde_json::{Value, json};

use crate::domain::{
    event::OrderMoved,
    ids::LineItemId,
    note::Note,
    order::{Checkout, PlacedOrder},
    order_moves::{Decision, Move, Verdict},
};

use super::{
    market::market,
    support::{buyer_id, now, product, product_id, vendor_id},
};

/// An order of one vendor with three lines of 10.00 each.
fn order() -> PlacedOrder {
    let market = (1..=3).fold(market(), |market, nr| market.selling(product(nr)));
    let cart = market.freeze(&market.ask(&[(1, 1), (2, 2), (3, 3)]));
    let Checkout { group, mut orders } = market.check_out(&cart, &[]);
    PlacedOrder {
        checkout_group_id: group.id,
        buyer_store_id: group.buyer_store_id,
        buyer_name: "Buyer".to_owned(),
        currency: group.currency,
        created_at: now(),
        updated_at: now(),
        order: orders.remove(0),
    }
}

fn make(made: &Move, order: &mut PlacedOrder) -> (&'static str, Value) {
    let moved = made.make(&mut order.order, None).unwrap();
    let (event_type, event) = OrderMoved::announcing(order, &moved, made);
    (event_type, serde_json::to_value(event).unwrap())
}

fn decide(lines: &[(LineItemId, Verdict)]) -> Move {
    Move::Decide(Decision::Lines(lines.to_vec()))
}

#[test]
fn a_decision_tells_of_the_lines_that_it_changed_and_whether_any_is_left() {
    let mut order = order();
    let lines: Vec<_> = order.order.lines.iter().map(|line| line.id).collect();
    let note = Note::new("sold out".to_owned());
    let partial = decide(&[
        (lines[2], Verdict::Accept),
        (lines[0], Verdict::Reject { note }),
    ]);

    let (event_type, event) = make(&partial, &mut order);

    assert_eq!(event_type, "order_decided");
    assert_eq!(OrderMoved::AGGREGATE, "vendor_order");
    let expected = json!({
        "order_id": order.order.id,
        "checkout_group_id": order.checkout_group_id,
        "buyer_store_id": buyer_id(),
        "vendor_store_id": vendor_id(1),
        "status": "created_pending",
        "total": order.order.totals.total,
        "lines": [
            {
                "line_item_id": lines[0], "product_id": product_id(1), "qty": 1,
                "status": "rejected", "reason": "vendor_rejected",
            },
            {
                "line_item_id": lines[2], "product_id": product_id(3), "qty": 3,
                "status": "accepted", "reason": null,
            },
        ],
        "final": false,
    });
    assert_eq!(event, expected);

    let rest = Move::Decide(Decision::AllPending(Verdict::Accept));
    let (event_type, event) = make(&rest, &mut order);
    assert_eq!(event_type, "order_decided");
    assert_eq!(
        (&event["final"], &event["status"]),
        (&json!(true), &json!("partially_accepted"))
    );
    assert_eq!(event["lines"].as_array().unwrap().len(), 1);
}

#[test]
fn the_other_moves_have_names_of_their_own_and_are_not_called_final() {
    let accept = Move::Decide(Decision::AllPending(Verdict::Accept));
    for (made, name, status, reason) in [
        (Move::Fulfil, "order_fulfilled", "fulfilled", Value::Null),
        (
            Move::Cancel { note: None },
            "order_canceled",
            "canceled",
            json!("order_canceled"),
        ),
    ] {
        let mut order = order();
        make(&accept, &mut order);
        let (event_type, event) = make(&made, &mut order);
        assert_eq!((event_type, &event["status"]), (name, &json!(status)));
        assert_eq!(event["lines"][1]["reason"], reason);
        assert!(event.get("final").is_none());
    }
    let (event_type, event) = make(&Move::Expire, &mut order());
    assert_eq!(
        (event_type, &event["status"]),
        ("order_expired", &json!("expired"))
    );
    assert_eq!(event["total"], "0.00");
    assert_eq!(event["lines"][0]["reason"], "order_expired");
}
