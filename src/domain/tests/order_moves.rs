//! The life of an order: which moves there are, that figures follow what is left, and that no unit is lost
//! or invented.

use proptest::prelude::*;
use uuid::Uuid;

use super::support::{cents, in_cents, percent, product_id, vendor_id};
use crate::domain::{
    cart::Totals,
    ids::{LineItemId, OrderId, PaymentIntentId},
    money::Money,
    note::Note,
    order::{
        LineStatus, OrderLine, OrderStatus, PaymentIntent, PaymentMethod, PaymentStatus,
        VendorOrder,
    },
    order_as_placed::as_placed,
    order_figures::compute_anew,
    order_moves::{Decision, Move, MoveRefusal, Verdict},
    pricing::DiscountTerms,
    product::Unit,
    rejection::{LineRejectionReason, OrderRejectionReason, Rejection},
};

use LineStatus::{Accepted, Fulfilled, Pending, Rejected};

fn line_id(number: usize) -> LineItemId {
    LineItemId::new(Uuid::from_u128(0x4000_0000 + number as u128))
}

fn line(number: usize, qty: i32, unit_price: i128, status: LineStatus) -> OrderLine {
    let (list_price, unit_price) = (cents(unit_price + 25), cents(unit_price));
    OrderLine {
        id: line_id(number),
        position: i32::try_from(number).unwrap(),
        product_id: product_id(u32::try_from(number).unwrap()),
        sku: "SKU".to_owned(),
        title: "A product".to_owned(),
        unit: Unit::Unit,
        qty,
        list_price,
        unit_price,
        discount: cents(25).times(qty),
        total: unit_price.times(qty),
        status,
        rejection: (status == Rejected)
            .then(|| Rejection::because(LineRejectionReason::InsufficientInventory)),
    }
}

/// An order as a checkout makes it: its lines are pending, or were short.
fn order(lines: Vec<OrderLine>, discount: Option<DiscountTerms>) -> VendorOrder {
    let mut order = VendorOrder {
        id: OrderId::new(Uuid::from_u128(0x5000_0000)),
        vendor_store_id: vendor_id(1),
        vendor_name: "Vendor".to_owned(),
        status: OrderStatus::CreatedPending,
        totals: Totals::default(),
        balance_due: Money::ZERO,
        rejection_reason: None,
        payment_intent: Some(PaymentIntent {
            id: PaymentIntentId::new(Uuid::from_u128(0x6000_0000)),
            method: PaymentMethod::Cash,
            status: PaymentStatus::Unpaid,
            amount: Money::ZERO,
        }),
        lines,
    };
    compute_anew(&mut order, discount);
    if order.totals.total == Money::ZERO {
        order.payment_intent = None;
    }
    order
}

fn statuses(order: &VendorOrder) -> Vec<LineStatus> {
    order.lines.iter().map(|line| line.status).collect()
}

fn accept_all() -> Move {
    Move::Decide(Decision::AllPending(Verdict::Accept))
}

fn reject(numbers: &[usize]) -> Move {
    let verdict = |number: &usize| (line_id(*number), Verdict::Reject { note: None });
    Move::Decide(Decision::Lines(numbers.iter().map(verdict).collect()))
}

fn cancel() -> Move {
    Move::Cancel { note: None }
}

#[test]
fn each_move_leads_on_from_its_own_statuses_and_no_other() {
    use OrderStatus::{
        Accepted, Canceled, CreatedPending, Expired, Fulfilled, PartiallyAccepted, Rejected,
    };
    for (status, decided, fulfilled, canceled, expired) in [
        (
            CreatedPending,
            Some(Accepted),
            None,
            Some(Canceled),
            Some(Expired),
        ),
        (Accepted, None, Some(Fulfilled), Some(Canceled), None),
        (
            PartiallyAccepted,
            None,
            Some(Fulfilled),
            Some(Canceled),
            None,
        ),
        (Rejected, None, None, None, None),
        (Fulfilled, None, None, None, None),
        (Canceled, None, None, None, None),
        (Expired, None, None, None, None),
        (OrderStatus::Hold, None, None, None, None),
        (OrderStatus::InTransit, None, None, None, None),
        (OrderStatus::Delivered, None, None, None, None),
        (OrderStatus::Closed, None, None, None, None),
    ] {
        for (order_move, expected) in [
            (accept_all(), decided),
            (Move::Fulfil, fulfilled),
            (cancel(), canceled),
            (Move::Expire, expired),
        ] {
            let mut moved = order(vec![line(0, 2, 500, Pending)], None);
            moved.status = status;
            let before = moved.clone();
            match (order_move.make(&mut moved, None), expected) {
                (Ok(_), Some(expected)) => assert_eq!(moved.status, expected),
                (Err(MoveRefusal::StateConflict(conflict)), None) => {
                    assert_eq!(conflict.order, Some((before.id, status)));
                    assert!(!conflict.allowed.contains(&status));
                    assert_eq!(moved, before);
                }
                (made, _) => panic!("{status:?} {order_move:?}: {made:?}"),
            }
        }
    }
}

#[test]
fn a_decision_is_final_once_no_line_is_pending() {
    let lines = || (0..3).map(|number| line(number, 1, 500, Pending)).collect();
    for (rejected, status) in [
        (vec![], OrderStatus::Accepted),
        (vec![1], OrderStatus::PartiallyAccepted),
        (vec![0, 1, 2], OrderStatus::Rejected),
    ] {
        let mut order = order(lines(), None);
        for number in &rejected {
            assert_eq!(order.status, OrderStatus::CreatedPending);
            reject(&[*number]).make(&mut order, None).unwrap();
        }
        if rejected.len() < 3 {
            accept_all().make(&mut order, None).unwrap();
        }
        assert_eq!(order.status, status);
        let reason = order.rejection_reason;
        let is_rejected = status == OrderStatus::Rejected;
        assert_eq!(
            reason,
            is_rejected.then_some(OrderRejectionReason::VendorRejected)
        );
    }
}

#[test]
fn a_line_that_the_checkout_rejected_takes_no_part() {
    let lines = vec![line(0, 1, 500, Pending), line(1, 1, 500, Rejected)];
    let mut order = order(lines, None);

    accept_all().make(&mut order, None).unwrap();

    assert_eq!(order.status, OrderStatus::Accepted);
    assert_eq!(statuses(&order), [Accepted, Rejected]);
}

#[test]
fn a_percentage_is_of_what_remains_and_a_fixed_amount_is_capped_at_it() {
    let lines = || vec![line(0, 2, 500, Pending), line(1, 3, 700, Pending)];
    for (terms, total, intent) in [
        (
            DiscountTerms::Percentage(percent("10")),
            900,
            PaymentStatus::Unpaid,
        ),
        (DiscountTerms::Fixed(cents(400)), 600, PaymentStatus::Unpaid),
        (DiscountTerms::Fixed(cents(1200)), 0, PaymentStatus::Settled),
    ] {
        let mut order = order(lines(), Some(terms));
        reject(&[1]).make(&mut order, Some(terms)).unwrap();
        assert_eq!(in_cents(order.totals.total), total);
        assert_eq!(order.balance_due, order.totals.total);
        let paid = order.payment_intent.unwrap();
        assert_eq!((in_cents(paid.amount), paid.status), (total, intent));
    }
}

#[test]
fn the_words_of_the_person_who_ends_a_line_stay_with_it() {
    let note = Note::new("Closed.".to_owned());
    let mut order = order(vec![line(0, 1, 500, Pending)], None);

    let canceled = Move::Cancel { note: note.clone() };
    canceled.make(&mut order, None).unwrap();

    let rejection = order.lines[0].rejection.clone().unwrap();
    assert_eq!(rejection.reason, LineRejectionReason::OrderCanceled);
    assert_eq!(rejection.note, note);
}

#[test]
fn a_note_is_a_text_of_1_to_500_characters() {
    for (text, is_note) in [
        (String::new(), false),
        ("x".to_owned(), true),
        ("é".repeat(500), true),
        ("x".repeat(501), false),
        ("a\nb".to_owned(), false),
        ("a\u{7f}b".to_owned(), false),
        ("a\u{9f}b".to_owned(), false),
    ] {
        assert_eq!(Note::new(text.clone()).is_some(), is_note, "{text:?}");
    }
}

/// A move that may be made or not, by numbers.
fn moves() -> impl Strategy<Value = Vec<(u8, Vec<(usize, bool)>)>> {
    let verdicts = proptest::collection::vec((0..6_usize, any::<bool>()), 1..4);
    proptest::collection::vec((0..6_u8, verdicts), 1..12)
}

fn move_of(kind: u8, verdicts: &[(usize, bool)]) -> Move {
    let verdict = |accepts: bool| {
        if accepts {
            Verdict::Accept
        } else {
            Verdict::Reject { note: None }
        }
    };
    match kind {
        0 => accept_all(),
        1 => Move::Decide(Decision::AllPending(verdict(false))),
        2 => Move::Fulfil,
        3 => cancel(),
        4 => Move::Expire,
        _ => {
            let mut named = std::collections::BTreeMap::new();
            named.extend(verdicts.iter().copied());
            let lines = named.into_iter();
            Move::Decide(Decision::Lines(
                lines
                    .map(|(it, accepts)| (line_id(it), verdict(accepts)))
                    .collect(),
            ))
        }
    }
}

proptest! {
    /// Whatever is asked for, in whatever order: the units of a line are reserved until exactly one move
    /// takes them to available or to gone, and the figures are those of the lines that are left.
    #[test]
    fn no_unit_is_lost_or_invented_and_figures_follow(
        lines in proptest::collection::vec((1..=20_i32, 0..=100_000_i128, any::<bool>()), 1..6),
        terms in proptest::option::of(prop_oneof![
            (1..=100_u8).prop_map(|it| DiscountTerms::Percentage(percent(&it.to_string()))),
            (0..=500_000_i128).prop_map(|it| DiscountTerms::Fixed(cents(it))),
        ]),
        moves in moves(),
    ) {
        let lines = lines.into_iter().enumerate();
        let lines: Vec<_> = lines
            .map(|(number, (qty, price, is_short))| {
                line(number, qty, price, if is_short { Rejected } else { Pending })
            })
            .collect();
        prop_assume!(lines.iter().any(|line| line.status == Pending));
        let mut order = order(lines, terms);
        let at_first = order.clone();
        let held = |order: &VendorOrder| -> i64 {
            let held = order.lines.iter().filter(|it| matches!(it.status, Pending | Accepted));
            held.map(|line| i64::from(line.qty)).sum()
        };
        for (kind, verdicts) in moves {
            let (before, held_before) = (order.clone(), held(&order));
            let Ok(moved) = move_of(kind, &verdicts).make(&mut order, terms) else {
                prop_assert_eq!(&order, &before);
                continue;
            };
            let freed = moved.freed.values();
            let freed: i64 = freed
                .map(|it| i64::from(it.released) + i64::from(it.fulfilled))
                .sum();
            prop_assert_eq!(held(&order) + freed, held_before);
            for (was, is) in before.lines.iter().zip(&order.lines) {
                prop_assert_eq!(was != is, moved.lines.contains(&is.id));
                // What has ended stays as it is, and no line changes its quantity or its price.
                prop_assert!(was == is || matches!(was.status, Pending | Accepted));
                prop_assert_eq!((was.qty, was.total), (is.qty, is.total));
            }
            let left = order.lines.iter().filter(|line| line.status != Rejected);
            let sum: i128 = left.clone().map(|line| in_cents(line.total)).sum();
            let off = terms.map_or(0, |terms| in_cents(terms.amount_off(cents(sum))));
            let is_nothing_left = left.count() == 0;
            prop_assert_eq!(in_cents(order.totals.total), if is_nothing_left { 0 } else { sum - off });
            prop_assert_eq!(
                order.totals.total,
                order.totals.subtotal - order.totals.discount_total
            );
            prop_assert_eq!(order.balance_due, order.totals.total);
            if let Some(intent) = order.payment_intent {
                prop_assert_eq!(intent.amount, order.totals.total);
                prop_assert_eq!(is_nothing_left, intent.status == PaymentStatus::Failed);
            }
            let holds = order.lines.iter().any(|it| matches!(it.status, Pending | Accepted));
            prop_assert!(!order.status.is_final() || !holds);
            let gone = order.lines.iter().any(|it| it.status == Fulfilled);
            prop_assert_eq!(gone, order.status == OrderStatus::Fulfilled);
            let placed = as_placed(&order, terms);
            prop_assert_eq!(placed.totals, at_first.totals);
            prop_assert_eq!(placed.status, at_first.status);
            prop_assert_eq!(placed.rejection_reason, at_first.rejection_reason);
            prop_assert_eq!(&placed.lines, &at_first.lines);
        }
    }
}
