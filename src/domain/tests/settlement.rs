//! Settling a checkout: what becomes of orders, lines, intents and figures.

use std::collections::{BTreeMap, HashSet};

use uuid::Uuid;

use super::{
    market::market,
    support::{buyer_id, discount, money, now, product, product_id, totals, vendor, vendor_id},
};
use crate::domain::{
    cart::Totals,
    event::OrderCreated,
    order::{Checkout, LineStatus, OrderStatus, PaymentMethod, PaymentStatus},
    rejection::{LineRejectionReason, OrderRejectionReason, Rejection},
    terms::PaymentPolicy,
};

fn shortage(available_qty: i32) -> Rejection {
    Rejection::short(available_qty, 1)
}

/// PF-080: the group, its orders, their lines and intents.
#[test]
fn a_checkout_of_which_all_is_reserved_costs_what_the_cart_said() {
    let market = market()
        .selling(product(1).with_tier(10, "5"))
        .selling(product(2).sold_by(2).priced("3.00"))
        .granting(discount(1, "SPRING"));
    let cart = market.freeze(&market.ask_with(&[(1, 10), (2, 1)], &[(1, "SPRING")]));
    let checkout = market.check_out(&cart, &[]);

    assert_eq!(checkout.group.totals, totals("103.00", "14.50", "88.50"));
    assert_eq!(checkout.group.totals, cart.head.totals);
    assert_eq!(checkout.group.cart_id, cart.head.id);
    assert_eq!(checkout.group.buyer_store_id, buyer_id());
    assert_eq!(checkout.group.created_by, cart.head.created_by);
    assert_eq!(checkout.group.currency, "USD");
    assert_eq!(checkout.group.created_at, now());

    let [first, second] = &checkout.orders[..] else {
        panic!("two orders")
    };
    assert_eq!(first.vendor_store_id, vendor_id(1));
    assert_eq!(first.vendor_name, "Vendor 1");
    assert_eq!(first.status, OrderStatus::CreatedPending);
    assert_eq!(first.totals, totals("100.00", "14.50", "85.50"));
    assert_eq!(first.balance_due, money("85.50"));
    assert_eq!(first.rejection_reason, None);
    let intent = first.payment_intent.unwrap();
    assert_eq!(intent.method, PaymentMethod::Cash);
    assert_eq!(intent.status, PaymentStatus::Unpaid);
    assert_eq!(intent.amount, money("85.50"));
    assert_eq!(second.totals, totals("3.00", "0.00", "3.00"));

    let line = &first.lines[0];
    assert_eq!(line.position, 0);
    assert_eq!(line.product_id, product_id(1));
    assert_eq!(
        (line.sku.as_str(), line.title.as_str()),
        ("SKU-1", "Product 1")
    );
    assert_eq!(line.qty, 10);
    assert_eq!(line.list_price, money("10.00"));
    assert_eq!(line.unit_price, money("9.50"));
    // Only the tier's discount: the store discount is in the order's figures.
    assert_eq!(line.discount, money("5.00"));
    assert_eq!(line.total, money("95.00"));
    assert_eq!(line.status, LineStatus::Pending);
    assert_eq!(line.rejection, None);
}

/// PF-079, PF-080: the line stays in the order, rejected, with the reason.
#[test]
fn a_shortage_rejects_the_line_and_keeps_the_order() {
    let market = market()
        .selling(product(1).with_tier(2, "50"))
        .selling(product(2).priced("3.00"));
    let cart = market.freeze(&market.ask(&[(1, 2), (2, 1)]));
    let checkout = market.check_out(&cart, &[(1, 1)]);
    let order = &checkout.orders[0];
    assert_eq!(order.status, OrderStatus::CreatedPending);
    assert_eq!(order.rejection_reason, None);
    assert_eq!(order.lines[0].status, LineStatus::Rejected);
    assert_eq!(order.lines[0].rejection, Some(shortage(1)));
    // The rejected line keeps the figures at which it was offered.
    assert_eq!(order.lines[0].qty, 2);
    assert_eq!(order.lines[0].discount, money("10.00"));
    assert_eq!(order.lines[0].total, money("10.00"));
    assert_eq!(order.lines[1].status, LineStatus::Pending);
    // The figures of a rejected line count in no sum.
    assert_eq!(order.totals, totals("3.00", "0.00", "3.00"));
    assert_eq!(order.balance_due, money("3.00"));
    assert_eq!(order.payment_intent.unwrap().amount, money("3.00"));
    assert_eq!(checkout.group.totals, order.totals);
}

#[test]
fn an_order_without_a_reserved_line_is_rejected_costs_nothing_and_has_no_intent() {
    let market = market()
        .selling(product(1))
        .selling(product(2))
        .selling(product(3).sold_by(2))
        .granting(discount(1, "SPRING").of_amount("5.00"));
    let cart = market.freeze(&market.ask_with(&[(1, 1), (2, 1), (3, 1)], &[(1, "SPRING")]));
    let checkout = market.check_out(&cart, &[(1, 0), (2, 0)]);
    let order = &checkout.orders[0];
    assert_eq!(order.status, OrderStatus::Rejected);
    assert_eq!(
        order.rejection_reason,
        Some(OrderRejectionReason::NoLineReserved)
    );
    assert_eq!(order.totals, Totals::default());
    assert_eq!(order.balance_due, money("0.00"));
    assert_eq!(order.payment_intent, None);
    assert_eq!(order.lines.len(), 2);
    assert_eq!(checkout.group.totals, totals("10.00", "0.00", "10.00"));
}

#[test]
fn a_checkout_of_which_nothing_is_reserved_is_still_a_checkout() {
    let market = market().selling(product(1));
    let cart = market.freeze(&market.ask(&[(1, 1)]));
    let checkout = market.check_out(&cart, &[(1, 0)]);
    assert_eq!(checkout.group.totals, Totals::default());
    assert_eq!(checkout.orders[0].status, OrderStatus::Rejected);
}

#[test]
fn an_order_that_is_free_is_no_rejected_one() {
    let market = market()
        .selling(product(1))
        .granting(discount(1, "FREE").of_percent("100"));
    let cart = market.freeze(&market.ask_with(&[(1, 1)], &[(1, "FREE")]));
    let order = &market.check_out(&cart, &[]).orders[0];
    assert_eq!(order.status, OrderStatus::CreatedPending);
    assert_eq!(order.balance_due, money("0.00"));
    assert_eq!(order.payment_intent, None, "nothing is to be collected");
}

/// PF-080: a product that is no longer sold.
#[test]
fn a_product_that_was_withdrawn_rejects_its_line() {
    let before = market().selling(product(1)).selling(product(2));
    let cart = before.freeze(&before.ask(&[(1, 1), (2, 1)]));
    let after = before.selling(product(1).withdrawn());
    let order = &after.check_out(&cart, &[]).orders[0];
    assert_eq!(order.status, OrderStatus::CreatedPending);
    assert_eq!(
        order.lines[0].rejection,
        Some(Rejection::because(LineRejectionReason::ProductUnavailable))
    );
    assert_eq!(order.totals, totals("10.00", "0.00", "10.00"));
}

#[test]
fn an_order_of_withdrawn_products_alone_has_no_line_reserved() {
    let before = market().selling(product(1)).selling(product(2).sold_by(2));
    let cart = before.freeze(&before.ask(&[(1, 1), (2, 1)]));
    let after = before.selling(product(1).withdrawn());
    let order = &after.check_out(&cart, &[]).orders[0];
    assert_eq!(order.status, OrderStatus::Rejected);
    assert_eq!(
        order.rejection_reason,
        Some(OrderRejectionReason::NoLineReserved)
    );
}

#[test]
fn a_percentage_is_taken_anew_of_the_reserved_sum() {
    let market = market()
        .selling(product(1).priced("0.25"))
        .selling(product(2).priced("9.99"))
        .granting(discount(1, "TEN"));
    let cart = market.freeze(&market.ask_with(&[(1, 1), (2, 1)], &[(1, "TEN")]));
    let order = &market.check_out(&cart, &[(2, 0)]).orders[0];
    assert_eq!(order.totals, totals("0.25", "0.03", "0.22"));
}

#[test]
fn a_fixed_discount_is_capped_at_the_reserved_sum() {
    let market = market()
        .selling(product(1).priced("2.00"))
        .selling(product(2).priced("9.00"))
        .granting(discount(1, "FIVE").of_amount("5.00"));
    let cart = market.freeze(&market.ask_with(&[(1, 1), (2, 1)], &[(1, "FIVE")]));
    assert_eq!(cart.head.totals, totals("11.00", "5.00", "6.00"));
    let without_the_dear_one = market.check_out(&cart, &[(2, 0)]);
    assert_eq!(
        without_the_dear_one.group.totals,
        totals("2.00", "2.00", "0.00")
    );
    let without_the_cheap_one = market.check_out(&cart, &[(1, 0)]);
    assert_eq!(
        without_the_cheap_one.group.totals,
        totals("9.00", "5.00", "4.00")
    );
}

#[test]
fn a_discount_once_granted_is_not_withdrawn_because_a_line_was_rejected() {
    let market = market()
        .selling(product(1))
        .selling(product(2))
        .granting(discount(1, "TWENTY").needing("20.00"));
    let cart = market.freeze(&market.ask_with(&[(1, 1), (2, 1)], &[(1, "TWENTY")]));
    let order = &market.check_out(&cart, &[(1, 0)]).orders[0];
    assert_eq!(order.totals, totals("10.00", "1.00", "9.00"));
}

#[test]
fn orders_ascend_by_vendor_and_lines_by_their_position_in_the_cart() {
    let market = market()
        .selling(product(1).sold_by(3))
        .selling(product(2).sold_by(1))
        .selling(product(3).sold_by(2))
        .selling(product(4).sold_by(3))
        .selling(product(5).sold_by(1));
    let cart = market.freeze(&market.ask(&[(4, 1), (5, 1), (3, 1), (1, 1), (2, 1)]));
    let places: Vec<_> = market
        .check_out(&cart, &[(1, 0)])
        .orders
        .into_iter()
        .map(|order| {
            let lines: Vec<_> = order
                .lines
                .iter()
                .map(|line| (line.position, line.product_id))
                .collect();
            (order.vendor_store_id, lines)
        })
        .collect();
    assert_eq!(
        places,
        [
            (vendor_id(1), vec![(1, product_id(5)), (4, product_id(2))]),
            (vendor_id(2), vec![(2, product_id(3))]),
            (vendor_id(3), vec![(0, product_id(4)), (3, product_id(1))]),
        ]
    );
}

fn ids(checkout: &Checkout) -> Vec<Uuid> {
    let mut ids = vec![checkout.group.id.uuid()];
    for order in &checkout.orders {
        ids.push(order.id.uuid());
        ids.extend(order.payment_intent.map(|intent| intent.id.uuid()));
        ids.extend(order.lines.iter().map(|line| line.id.uuid()));
    }
    ids
}

#[test]
fn everything_that_is_created_has_an_id_of_its_own() {
    let market = market()
        .selling(product(1))
        .selling(product(2))
        .selling(product(3).sold_by(2));
    let cart = market.freeze(&market.ask(&[(1, 1), (2, 1), (3, 1)]));
    let ids = ids(&market.check_out(&cart, &[(3, 0)]));
    // A group, two orders, three lines, and one intent: the other order has none.
    assert_eq!(ids.len(), 7);
    assert_eq!(ids.iter().collect::<HashSet<_>>().len(), 7);
}

#[test]
#[should_panic(expected = "every demand")]
fn a_demand_without_an_outcome_is_our_own_bug() {
    let market = market().selling(product(1));
    let cart = market.freeze(&market.ask(&[(1, 1)]));
    let plan = market
        .plan(&cart, PaymentMethod::Cash, PaymentPolicy::CashOnly)
        .unwrap();
    drop(plan.settle(&BTreeMap::new(), &mut Uuid::now_v7, now()));
}

/// PF-082: the payload names the group and every order.
#[test]
fn the_event_names_all_orders_by_ascending_vendor_rejected_ones_too() {
    let before = market().selling(product(1).sold_by(2)).selling(product(2));
    let cart = before.freeze(&before.ask(&[(1, 1), (2, 1)]));
    let checkout = before.with(vendor(1).unsubscribed()).check_out(&cart, &[]);
    let event = OrderCreated::announcing(&checkout);
    assert_eq!(event.checkout_group_id, checkout.group.id);
    assert_eq!(event.buyer_store_id, buyer_id());
    assert_eq!(
        event.vendor_order_ids,
        [checkout.orders[0].id, checkout.orders[1].id]
    );
    assert_eq!(checkout.orders[0].vendor_store_id, vendor_id(1));
    assert_eq!(checkout.orders[0].status, OrderStatus::Rejected);
    assert_eq!(OrderCreated::TYPE, "order_created");
}

/// The minimum is kept only where it is why some are left and none can be had.
#[test]
fn a_minimum_is_kept_where_some_are_left_but_fewer_than_it() {
    for (available_qty, moq, kept) in [(0, 1, None), (0, 4, None), (3, 4, Some(4)), (4, 4, None)] {
        let rejection = Rejection::short(available_qty, moq);
        assert_eq!(rejection.moq, kept, "{available_qty} of {moq}");
    }
}

#[test]
fn every_status_has_the_name_that_it_is_answered_with() {
    for (word, status) in OrderStatus::WORDS {
        assert_eq!(serde_json::to_value(status).unwrap(), word);
    }
}
