use rand::SeedableRng;

use super::*;

const NOTHING: MoveShares = MoveShares {
    reject: 0.0,
    by_line: 0.0,
    fulfill: 0.0,
    cancel: 0.0,
    cancel_group: 0.0,
};

fn placed(lines: u128) -> Placed {
    Placed {
        group_id: uuid::Uuid::nil().into(),
        orders: vec![Order::of_lines(lines)],
    }
}

fn kinds(shares: MoveShares, lines: u128) -> Vec<MoveKind> {
    let mut dice = SmallRng::seed_from_u64(1);
    let chains = shares.chains(&placed(lines), &mut dice);
    chains.concat().iter().map(|it| it.kind).collect()
}

#[test]
fn an_accepted_order_is_fulfilled_and_a_rejected_one_is_not() {
    use MoveKind::{Decision, Fulfillment};

    let fulfill = 1.0;
    let accepted = MoveShares { fulfill, ..NOTHING };
    assert_eq!(kinds(accepted, 1), [Decision, Fulfillment]);
    let reject = 1.0;
    let rejected = MoveShares { reject, ..accepted };
    assert_eq!(kinds(rejected, 1), [Decision]);
}

#[test]
fn lines_are_decided_in_two_steps_and_some_are_accepted() {
    let by_line = MoveShares {
        by_line: 1.0,
        ..NOTHING
    };
    let mut dice = SmallRng::seed_from_u64(1);
    let chain = by_line.chains(&placed(3), &mut dice).concat();
    let words = |body: &Value| -> Vec<String> {
        let lines = body["lines"].as_array().unwrap().iter();
        lines
            .map(|line| line["decision"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(chain.len(), 2);
    assert_eq!(words(&chain[0].body), ["reject"]);
    assert_eq!(words(&chain[1].body), ["accept", "accept"]);
    let single = by_line.chains(&placed(1), &mut dice).concat();
    assert_eq!(single.len(), 1);
    assert_eq!(words(&single[0].body), ["accept"]);
    let at_once = by_line.decision(&Order::of_lines(3), &mut dice);
    assert_eq!(words(&at_once.body), ["reject", "accept", "accept"]);
}

#[test]
fn half_of_the_canceled_orders_are_decided_before() {
    let cancel = MoveShares {
        cancel: 1.0,
        fulfill: 1.0,
        ..NOTHING
    };
    let mut dice = SmallRng::seed_from_u64(1);
    let mut decided = 0;
    for _ in 0..1_000 {
        let chain = cancel.chains(&placed(2), &mut dice).concat();
        assert_eq!(chain.last().unwrap().kind, MoveKind::Cancellation);
        assert!(chain.iter().all(|it| it.kind != MoveKind::Fulfillment));
        decided += chain.len() - 1;
    }
    assert!((400..600).contains(&decided), "{decided}");
}

#[test]
fn a_whole_checkout_is_canceled_by_one_request() {
    let group = MoveShares {
        cancel_group: 1.0,
        ..NOTHING
    };
    let mut dice = SmallRng::seed_from_u64(1);
    let chain = group.chains(&placed(2), &mut dice).concat();
    assert_eq!(chain.len(), 1);
    assert_eq!(chain[0].by, Mover::Buyer);
    assert_eq!(
        chain[0].path,
        "/api/v1/checkout-groups/00000000-0000-0000-0000-000000000000/cancellation"
    );
}
