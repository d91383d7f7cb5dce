//! The stores that may see an event, and the form in which each of them sees it.
//!
//! A buyer sees its checkouts and its orders, a vendor its orders and its stock. Nobody sees an order of
//! another vendor.

use serde::Deserialize;
use uuid::Uuid;

use super::{
    event::{Envelope, InventoryLow, OrderCreated, OrderMoved, VendorOrderCreated},
    ids::{BuyerStoreId, EventId, OrderId, StoreId, VendorStoreId},
    order::PlacedOrder,
    pricing::DiscountTerms,
};

/// The types of the events about one order.
const OF_ORDERS: [&str; 4] = [
    OrderMoved::DECIDED,
    OrderMoved::FULFILLED,
    OrderMoved::CANCELED,
    OrderMoved::EXPIRED,
];

/// An order that an event names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedOrder {
    /// The order as it is now, or as it was at any time.
    pub placed: PlacedOrder,
    /// The discount that the vendor has granted.
    pub discount: Option<DiscountTerms>,
}

/// An event as a store sees it.
#[derive(Clone, Debug, PartialEq)]
pub struct Seen {
    pub store_id: StoreId,
    pub envelope: Envelope,
}

/// The stores of an order, as the events about one order name them.
#[derive(Deserialize)]
struct Parties {
    buyer_store_id: BuyerStoreId,
    vendor_store_id: VendorStoreId,
}

/// The owner of a product, as the events about stock name it.
#[derive(Deserialize)]
struct Owner {
    vendor_store_id: VendorStoreId,
}

/// The orders that [`audience`] needs to know: those of a checkout. Other events say it all.
pub fn orders_named(envelope: &Envelope) -> Vec<OrderId> {
    order_created(envelope).map_or_else(Vec::new, |event| event.vendor_order_ids)
}

/// The stores that may see an event, each with the event as it sees it. `find` knows the orders of
/// [`orders_named`]; one that it does not know is shown to no vendor. Nobody sees an event of an unknown type,
/// or one whose data names no store.
pub fn audience<'o>(
    envelope: &Envelope,
    find: impl Fn(OrderId) -> Option<&'o NamedOrder>,
) -> Vec<Seen> {
    let whole = |store_id: StoreId| Seen {
        store_id,
        envelope: envelope.clone(),
    };
    if let Some(event) = order_created(envelope) {
        let orders = event.vendor_order_ids.iter().filter_map(|id| find(*id));
        let of_vendors = orders.map(|order| vendor_order_created(envelope, order));
        return [whole(event.buyer_store_id.into())]
            .into_iter()
            .chain(of_vendors)
            .collect();
    }
    let event_type = envelope.event_type.as_str();
    if OF_ORDERS.contains(&event_type)
        && let Ok(parties) = Parties::deserialize(&envelope.data)
    {
        return vec![
            whole(parties.buyer_store_id.into()),
            whole(parties.vendor_store_id.into()),
        ];
    }
    if event_type == InventoryLow::TYPE
        && let Ok(owner) = Owner::deserialize(&envelope.data)
    {
        return vec![whole(owner.vendor_store_id.into())];
    }
    Vec::new()
}

fn order_created(envelope: &Envelope) -> Option<OrderCreated> {
    if envelope.event_type != OrderCreated::TYPE {
        return None;
    }
    OrderCreated::deserialize(&envelope.data).ok()
}

/// A checkout as the vendor of one of its orders sees it.
fn vendor_order_created(envelope: &Envelope, order: &NamedOrder) -> Seen {
    let event = VendorOrderCreated::announcing(&order.placed, order.discount);
    Seen {
        store_id: event.vendor_store_id.into(),
        envelope: Envelope {
            version: envelope.version,
            event_id: event_id_of(envelope.event_id, event.order_id),
            occurred_at: envelope.occurred_at,
            event_type: VendorOrderCreated::TYPE.to_owned(),
            aggregate_type: VendorOrderCreated::AGGREGATE.to_owned(),
            aggregate_id: event.order_id.uuid(),
            actor: envelope.actor,
            data: serde_json::to_value(event).expect("an event is JSON"),
        },
    }
}

/// The id of the event about one order of a checkout: the same whenever it is made.
fn event_id_of(order_created: EventId, order: OrderId) -> EventId {
    let id = Uuid::new_v5(&order_created.uuid(), order.uuid().as_bytes());
    EventId::new(id)
}
