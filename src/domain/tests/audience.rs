//! The stores that see an event: a buyer its checkout, a vendor its own order and no other.

use std::collections::HashMap;

use serde_json::{Value, json};
use uuid::Uuid;

use crate::domain::{
    audience::{NamedOrder, Seen, audience, orders_named},
    event::{ENVELOPE_VERSION, Envelope, EventActor, OrderCreated},
    ids::{EventId, OrderId, StoreId, UserId},
    order::{Checkout, PlacedOrder},
    order_moves::{Decision, Move, Verdict},
};

use super::{
    market::market,
    support::{buyer_id, discount, now, product, product_id, vendor_id},
};

fn envelope(event_type: &str, data: Value) -> Envelope {
    Envelope {
        version: ENVELOPE_VERSION,
        event_id: EventId::new(Uuid::from_u128(0x7000_0000)),
        occurred_at: now(),
        event_type: event_type.to_owned(),
        aggregate_type: "of no consequence".to_owned(),
        aggregate_id: Uuid::from_u128(0x7100_0000),
        actor: Some(EventActor {
            user_id: UserId::new(Uuid::from_u128(0x7200_0000)),
            store_id: buyer_id().into(),
        }),
        data,
    }
}

/// A checkout with an order of each of two vendors; vendor 1 grants 10 %.
fn checkout() -> (Envelope, HashMap<OrderId, NamedOrder>) {
    let market = market()
        .selling(product(1))
        .selling(product(2).sold_by(2))
        .granting(discount(1, "TEN"));
    let cart = market.freeze(&market.ask_with(&[(1, 2), (2, 3)], &[(1, "TEN")]));
    let checkout = market.check_out(&cart, &[]);
    let event = OrderCreated::announcing(&checkout);
    let Checkout { group, orders } = checkout;
    let named = orders.into_iter().map(|order| {
        let granted = (order.vendor_store_id == vendor_id(1)).then(|| discount(1, "TEN").terms);
        let placed = PlacedOrder {
            checkout_group_id: group.id,
            buyer_store_id: group.buyer_store_id,
            buyer_name: "Buyer".to_owned(),
            currency: group.currency.clone(),
            created_at: now(),
            updated_at: now(),
            order,
        };
        let order = NamedOrder {
            placed,
            discount: granted,
        };
        (order.placed.order.id, order)
    });
    let event = serde_json::to_value(event).unwrap();
    (envelope("order_created", event), named.collect())
}

fn stores(seen: &[Seen]) -> Vec<StoreId> {
    seen.iter().map(|seen| seen.store_id).collect()
}

#[test]
fn a_buyer_sees_its_checkout_whole_and_each_vendor_its_own_order_alone() {
    let (created, orders) = checkout();
    let named = orders_named(&created);
    assert_eq!(named.len(), 2);

    let seen = audience(&created, |id| orders.get(&id));

    let everyone = [buyer_id().into(), vendor_id(1).into(), vendor_id(2).into()];
    assert_eq!(stores(&seen), everyone);
    assert_eq!(seen[0].envelope, created);
    let order = &orders[&named[0]].placed;
    let line = &order.order.lines[0];
    let ours = &seen[1].envelope;
    assert_eq!(ours.event_type, "vendor_order_created");
    assert_eq!(ours.aggregate_type, "vendor_order");
    assert_eq!(ours.aggregate_id, named[0].uuid());
    assert_eq!(
        (ours.occurred_at, ours.actor),
        (created.occurred_at, created.actor)
    );
    assert_eq!(
        ours.data,
        json!({
            "order_id": named[0],
            "checkout_group_id": order.checkout_group_id,
            "buyer_store_id": buyer_id(),
            "vendor_store_id": vendor_id(1),
            "status": "created_pending",
            "currency": "USD",
            "subtotal": "20.00",
            "discount_total": "2.00",
            "total": "18.00",
            "lines": [{
                "line_item_id": line.id,
                "product_id": product_id(1),
                "sku": "SKU-1",
                "title": "Product 1",
                "unit": "unit",
                "qty": 2,
                "list_price": "10.00",
                "unit_price": "10.00",
                "discount": "0.00",
                "total": "20.00",
                "status": "pending",
                "reason": null,
            }],
        })
    );
    for (seen, others) in [(&seen[1], named[1]), (&seen[2], named[0])] {
        let text = serde_json::to_string(&seen.envelope).unwrap();
        assert!(!text.contains(&others.to_string()), "{text}");
    }
}

#[test]
fn an_order_is_announced_to_its_vendor_in_the_same_way_whenever_that_is() {
    let (created, mut orders) = checkout();
    let at_once = audience(&created, |id| orders.get(&id));
    let reject = Move::Decide(Decision::AllPending(Verdict::Reject { note: None }));
    for NamedOrder { placed, discount } in orders.values_mut() {
        reject.make(&mut placed.order, *discount).unwrap();
    }

    let later = audience(&created, |id| orders.get(&id));

    assert_eq!(at_once, later);
    let ids = [0, 1, 2].map(|place: usize| at_once[place].envelope.event_id);
    assert!(ids[0] != ids[1] && ids[1] != ids[2] && ids[0] != ids[2]);
    assert_eq!(ids[1].uuid().get_version_num(), 5);
}

#[test]
fn an_order_that_is_not_known_is_shown_to_no_vendor() {
    let (created, _) = checkout();
    let seen = audience(&created, |_| None);
    assert_eq!(stores(&seen), [buyer_id().into()]);
}

#[test]
fn both_sides_of_an_order_see_what_becomes_of_it() {
    let data =
        json!({ "buyer_store_id": buyer_id(), "vendor_store_id": vendor_id(2), "order_id": "…" });
    for event_type in [
        "order_decided",
        "order_fulfilled",
        "order_canceled",
        "order_expired",
    ] {
        let event = envelope(event_type, data.clone());
        assert!(orders_named(&event).is_empty());
        let seen = audience(&event, |_| None);
        assert_eq!(stores(&seen), [buyer_id().into(), vendor_id(2).into()]);
        assert!(seen.iter().all(|seen| seen.envelope == event));
    }
}

#[test]
fn low_stock_is_seen_by_its_vendor_alone() {
    let data = json!({
        "product_id": product_id(1), "vendor_store_id": vendor_id(1),
        "available_qty": 2, "low_stock_threshold": 5,
    });
    let event = envelope("inventory_low", data);
    let seen = audience(&event, |_| None);
    assert_eq!(stores(&seen), [vendor_id(1).into()]);
    assert_eq!(seen[0].envelope, event);
}

#[test]
fn an_event_that_is_unknown_or_names_no_store_is_seen_by_nobody() {
    for (event_type, data) in [
        (
            "something_new",
            json!({ "buyer_store_id": buyer_id(), "vendor_store_id": vendor_id(1) }),
        ),
        ("order_created", json!({ "buyer_store_id": buyer_id() })),
        ("order_decided", json!({ "buyer_store_id": buyer_id() })),
        ("inventory_low", json!({ "vendor_store_id": "Vendor" })),
    ] {
        let seen = audience(&envelope(event_type, data), |_| None);
        assert!(seen.is_empty(), "{event_type}");
    }
}
