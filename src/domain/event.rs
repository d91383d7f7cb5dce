//! Events as they are published.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::{
    ids::{
        BuyerStoreId, CheckoutGroupId, EventId, LineItemId, OrderId, ProductId, StoreId, UserId,
        VendorStoreId,
    },
    low_stock::StockTaken,
    money::Money,
    order::{Checkout, LineStatus, OrderLine, OrderStatus, PlacedOrder},
    order_as_placed::as_placed,
    order_moves::{Move, Moved},
    pricing::DiscountTerms,
    product::Unit,
    rejection::LineRejectionReason,
};

/// The version of all events so far.
pub const ENVELOPE_VERSION: u32 = 1;

/// A checkout was committed (PF-082). Once per checkout group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct OrderCreated {
    pub checkout_group_id: CheckoutGroupId,
    pub buyer_store_id: BuyerStoreId,
    /// The orders of the group, rejected ones too, in ascending vendor id.
    pub vendor_order_ids: Vec<OrderId>,
}

impl OrderCreated {
    /// The event's name in the outbox and on the stream.
    pub const TYPE: &str = "order_created";
    /// The kind of thing that the event is about.
    pub const AGGREGATE: &str = "checkout_group";

    /// The event that announces a checkout.
    pub fn announcing(checkout: &Checkout) -> Self {
        Self {
            checkout_group_id: checkout.group.id,
            buyer_store_id: checkout.group.buyer_store_id,
            vendor_order_ids: checkout.orders.iter().map(|order| order.id).collect(),
        }
    }
}

/// A checkout was committed, as the vendor of one of its orders sees it. Made for each vendor from the
/// [`OrderCreated`], which names the orders of others; it is in no outbox.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct VendorOrderCreated {
    pub order_id: OrderId,
    pub checkout_group_id: CheckoutGroupId,
    pub buyer_store_id: BuyerStoreId,
    pub vendor_store_id: VendorStoreId,
    /// `created_pending`, or `rejected` if no line could be reserved.
    pub status: OrderStatus,
    /// Three capitals.
    pub currency: String,
    /// The sum of list price x quantity over the reserved lines.
    pub subtotal: Money,
    pub discount_total: Money,
    pub total: Money,
    /// All lines, in the cart's order.
    pub lines: Vec<CreatedLine>,
}

/// A line of an order, as its checkout made it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct CreatedLine {
    pub line_item_id: LineItemId,
    pub product_id: ProductId,
    /// The vendor's own number for the product.
    pub sku: String,
    pub title: String,
    pub unit: Unit,
    pub qty: i32,
    /// Per unit, before the volume tier.
    pub list_price: Money,
    /// Per unit, after the tier.
    pub unit_price: Money,
    /// The amount that the tier takes off the whole line.
    pub discount: Money,
    pub total: Money,
    /// `pending` if the line is reserved, or `rejected`.
    pub status: LineStatus,
    /// Null unless the checkout has rejected the line.
    #[schema(required)]
    pub reason: Option<LineRejectionReason>,
}

impl VendorOrderCreated {
    /// The event's name.
    pub const TYPE: &str = "vendor_order_created";
    /// The kind of thing that the event is about.
    pub const AGGREGATE: &str = OrderMoved::AGGREGATE;

    /// The event that announces an order to its vendor; `discount` is what the vendor has granted. The event
    /// is the same whatever moves the order has made since.
    pub fn announcing(order: &PlacedOrder, discount: Option<DiscountTerms>) -> Self {
        let placed = as_placed(&order.order, discount);
        Self {
            order_id: placed.id,
            checkout_group_id: order.checkout_group_id,
            buyer_store_id: order.buyer_store_id,
            vendor_store_id: placed.vendor_store_id,
            status: placed.status,
            currency: order.currency.clone(),
            subtotal: placed.totals.subtotal,
            discount_total: placed.totals.discount_total,
            total: placed.totals.total,
            lines: placed.lines.into_iter().map(CreatedLine::from).collect(),
        }
    }
}

impl From<OrderLine> for CreatedLine {
    fn from(line: OrderLine) -> Self {
        Self {
            line_item_id: line.id,
            product_id: line.product_id,
            reason: line.rejection_reason(),
            sku: line.sku,
            title: line.title,
            unit: line.unit,
            qty: line.qty,
            list_price: line.list_price,
            unit_price: line.unit_price,
            discount: line.discount,
            total: line.total,
            status: line.status,
        }
    }
}

/// A move of an order was committed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct OrderMoved {
    pub order_id: OrderId,
    pub checkout_group_id: CheckoutGroupId,
    pub buyer_store_id: BuyerStoreId,
    pub vendor_store_id: VendorStoreId,
    /// The status after the move.
    pub status: OrderStatus,
    /// The total after the move.
    pub total: Money,
    /// The lines that the move changed, in the cart's order.
    pub lines: Vec<MovedLine>,
    /// True once no line is left to decide about; only for decisions.
    #[schema(nullable = false)]
    #[serde(rename = "final", skip_serializing_if = "Option::is_none")]
    pub is_final: Option<bool>,
}

/// A line that a move changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct MovedLine {
    pub line_item_id: LineItemId,
    pub product_id: ProductId,
    pub qty: i32,
    /// The status after the move.
    pub status: LineStatus,
    /// Null unless the move has rejected the line.
    #[schema(required)]
    pub reason: Option<LineRejectionReason>,
}

/// The types of the events in the outbox.
pub const TYPES: [&str; 6] = [
    OrderCreated::TYPE,
    OrderMoved::DECIDED,
    OrderMoved::FULFILLED,
    OrderMoved::CANCELED,
    OrderMoved::EXPIRED,
    InventoryLow::TYPE,
];

impl OrderMoved {
    /// The names of the events, by what was done.
    pub const DECIDED: &str = "order_decided";
    pub const FULFILLED: &str = "order_fulfilled";
    pub const CANCELED: &str = "order_canceled";
    pub const EXPIRED: &str = "order_expired";
    /// The kind of thing that the event is about.
    pub const AGGREGATE: &str = "vendor_order";

    /// The event that announces a move, and its name; `order` is the order after the move.
    pub fn announcing(order: &PlacedOrder, moved: &Moved, made: &Move) -> (&'static str, Self) {
        let (event_type, is_decision) = match made {
            Move::Decide(_) => (Self::DECIDED, true),
            Move::Fulfil => (Self::FULFILLED, false),
            Move::Cancel { .. } => (Self::CANCELED, false),
            Move::Expire => (Self::EXPIRED, false),
        };
        let PlacedOrder { order: it, .. } = order;
        let changed = it
            .lines
            .iter()
            .filter(|line| moved.lines.contains(&line.id));
        let event = Self {
            order_id: it.id,
            checkout_group_id: order.checkout_group_id,
            buyer_store_id: order.buyer_store_id,
            vendor_store_id: it.vendor_store_id,
            status: it.status,
            total: it.totals.total,
            lines: changed.map(MovedLine::from).collect(),
            is_final: is_decision.then_some(it.status != OrderStatus::CreatedPending),
        };
        (event_type, event)
    }
}

impl From<&OrderLine> for MovedLine {
    fn from(line: &OrderLine) -> Self {
        Self {
            line_item_id: line.id,
            product_id: line.product_id,
            qty: line.qty,
            status: line.status,
            reason: line.rejection_reason(),
        }
    }
}

/// The available stock of a product has gone to its threshold or below, or to 0. Once per crossing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct InventoryLow {
    pub product_id: ProductId,
    pub vendor_store_id: VendorStoreId,
    /// The units that are left for sale.
    pub available_qty: i32,
    pub low_stock_threshold: i32,
}

impl InventoryLow {
    /// The event's name in the outbox and on the stream.
    pub const TYPE: &str = "inventory_low";
    /// The kind of thing that the event is about.
    pub const AGGREGATE: &str = "product";

    /// The event that announces stock that has run low.
    pub const fn announcing(taken: &StockTaken) -> Self {
        Self {
            product_id: taken.stock.product_id,
            vendor_store_id: taken.stock.vendor_store_id,
            available_qty: taken.available_qty,
            low_stock_threshold: taken.low_stock_threshold,
        }
    }
}

/// The person who caused an event, and their store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct EventActor {
    pub user_id: UserId,
    /// The store for which the person acted.
    pub store_id: StoreId,
}

/// An event as it is published. Consumers recognise repetitions by `event_id`.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct Envelope {
    /// The version of the event's schema. It rises when a field changes its meaning or goes away.
    pub version: u32,
    /// The event's id, the same however often it is delivered.
    pub event_id: EventId,
    /// The time at which it happened.
    pub occurred_at: DateTime<Utc>,
    /// The event's name, such as `order_created`.
    #[serde(rename = "type")]
    pub event_type: String,
    /// The kind of thing that the event is about.
    pub aggregate_type: String,
    /// The id of that thing.
    pub aggregate_id: Uuid,
    /// The person who caused the event. Null if the service acted by itself, or if the person is unknown.
    #[schema(required)]
    pub actor: Option<EventActor>,
    /// The event itself: [`OrderCreated`], [`VendorOrderCreated`], [`OrderMoved`] or [`InventoryLow`].
    pub data: serde_json::Value,
}
