//! The rows that a purchase leaves: its cart, its orders with lines and payment intents, its events.
//! Unlike the catalogue's rows they bring their times along, because they are of the past.

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use serde::Serialize;
use serde_json::Value;
use uuid::Uuid;

use splitcart::domain::{
    cart::{CURRENCIES, CartLine, Totals},
    event::EventActor,
    ids::{BuyerStoreId, CartId, CheckoutGroupId, OrderId, UserId},
    order::{CheckoutGroup, OrderLine, PaymentIntent, VendorOrder},
};

use super::{CopyRow, CopyText};

/// A cart that was bought.
#[derive(Clone, Copy, Debug)]
pub struct BoughtCartRow {
    pub id: CartId,
    pub buyer_store_id: BuyerStoreId,
    pub created_by: UserId,
    pub totals: Totals,
    pub bought_at: DateTime<Utc>,
}

impl CopyRow for BoughtCartRow {
    const TABLE: &'static str = "cart_records";
    const COLUMNS: &'static str = "id, buyer_store_id, created_by, status, currency, subtotal, \
                                   discount_total, total, converted_at, created_at, updated_at";

    fn encode(&self, line: &mut CopyText) {
        line.field(self.id)
            .field(self.buyer_store_id)
            .field(self.created_by)
            .field("converted")
            .field(CURRENCIES[0]);
        totals(line, self.totals)
            .field(self.bought_at)
            .field(self.bought_at)
            .field(self.bought_at);
    }
}

/// A line of a cart.
#[derive(Clone, Copy, Debug)]
pub struct CartItemRow<'a> {
    pub id: Uuid,
    pub cart_id: CartId,
    /// The place of the line in the cart, from 0.
    pub position: usize,
    pub line: &'a CartLine,
}

impl CopyRow for CartItemRow<'_> {
    const TABLE: &'static str = "cart_items";
    const COLUMNS: &'static str = "id, cart_id, position, product_id, vendor_store_id, sku, title, \
                                   unit, image_url, qty, moq, max_qty, list_price, \
                                   volume_discount_min_qty, volume_discount_percent, unit_price, \
                                   line_subtotal, line_discount, line_total";

    fn encode(&self, text: &mut CopyText) {
        let line = self.line;
        let tier = line.price.tier;
        let percent: Option<Decimal> = tier.map(|tier| tier.discount_percent.decimal());
        text.field(self.id)
            .field(self.cart_id)
            .field(self.position)
            .field(line.product_id)
            .field(line.vendor_store_id)
            .field(&line.sku)
            .field(&line.title)
            .field(word(line.unit))
            .nullable(line.image_url.as_ref())
            .field(line.qty)
            .field(line.moq)
            .nullable(line.max_qty)
            .field(line.price.list_price)
            .nullable(tier.map(|tier| tier.min_qty))
            .nullable(percent)
            .field(line.price.unit_price)
            .field(line.price.subtotal)
            .field(line.price.discount)
            .field(line.price.total);
    }
}

/// A checkout group.
#[derive(Clone, Copy, Debug)]
pub struct GroupRow<'a>(pub &'a CheckoutGroup);

impl CopyRow for GroupRow<'_> {
    const TABLE: &'static str = "checkout_groups";
    const COLUMNS: &'static str = "id, buyer_store_id, cart_id, created_by, currency, subtotal, \
                                   discount_total, total, created_at";

    fn encode(&self, line: &mut CopyText) {
        let Self(group) = self;
        line.field(group.id)
            .field(group.buyer_store_id)
            .field(group.cart_id)
            .field(group.created_by)
            .field(&group.currency);
        totals(line, group.totals).field(group.created_at);
    }
}

/// A vendor's order.
#[derive(Clone, Copy, Debug)]
pub struct OrderRow<'a> {
    pub group: &'a CheckoutGroup,
    pub order: &'a VendorOrder,
    pub changed_at: DateTime<Utc>,
}

impl CopyRow for OrderRow<'_> {
    const TABLE: &'static str = "vendor_orders";
    const COLUMNS: &'static str = "id, checkout_group_id, buyer_store_id, vendor_store_id, status, \
                                   currency, subtotal, discount_total, total, balance_due, \
                                   rejection_reason, created_at, updated_at";

    fn encode(&self, line: &mut CopyText) {
        let Self { group, order, .. } = self;
        line.field(order.id)
            .field(group.id)
            .field(group.buyer_store_id)
            .field(order.vendor_store_id)
            .field(order.status.word())
            .field(&group.currency);
        totals(line, order.totals)
            .field(order.balance_due)
            .nullable(order.rejection_reason.map(word))
            .field(group.created_at)
            .field(self.changed_at);
    }
}

/// A line of an order. What its rejection says beside the reason is left out.
#[derive(Clone, Copy, Debug)]
pub struct OrderLineRow<'a> {
    pub order_id: OrderId,
    pub group_id: CheckoutGroupId,
    pub line: &'a OrderLine,
    pub created_at: DateTime<Utc>,
    pub changed_at: DateTime<Utc>,
}

impl CopyRow for OrderLineRow<'_> {
    const TABLE: &'static str = "order_line_items";
    const COLUMNS: &'static str = "id, order_id, checkout_group_id, position, product_id, sku, title, \
                                   unit, qty, list_price, unit_price, discount, total, status, \
                                   rejection_reason, created_at, updated_at";

    fn encode(&self, text: &mut CopyText) {
        let line = self.line;
        let reason = line.rejection.as_ref().map(|rejection| rejection.reason);
        text.field(line.id)
            .field(self.order_id)
            .field(self.group_id)
            .field(line.position)
            .field(line.product_id)
            .field(&line.sku)
            .field(&line.title)
            .field(word(line.unit))
            .field(line.qty)
            .field(line.list_price)
            .field(line.unit_price)
            .field(line.discount)
            .field(line.total)
            .field(word(line.status))
            .nullable(reason.map(word))
            .field(self.created_at)
            .field(self.changed_at);
    }
}

/// A payment intent.
#[derive(Clone, Copy, Debug)]
pub struct IntentRow {
    pub order_id: OrderId,
    pub intent: PaymentIntent,
    pub created_at: DateTime<Utc>,
    pub changed_at: DateTime<Utc>,
}

impl CopyRow for IntentRow {
    const TABLE: &'static str = "payment_intents";
    const COLUMNS: &'static str = "id, order_id, method, status, amount, created_at, updated_at";

    fn encode(&self, line: &mut CopyText) {
        line.field(self.intent.id)
            .field(self.order_id)
            .field(word(self.intent.method))
            .field(word(self.intent.status))
            .field(self.intent.amount)
            .field(self.created_at)
            .field(self.changed_at);
    }
}

/// An event that was published when it happened.
#[derive(Clone, Debug)]
pub struct PublishedEventRow {
    pub id: Uuid,
    pub event_type: &'static str,
    pub aggregate_type: &'static str,
    pub aggregate_id: Uuid,
    pub payload: Value,
    pub actor: Option<EventActor>,
    pub happened_at: DateTime<Utc>,
}

impl CopyRow for PublishedEventRow {
    const TABLE: &'static str = "outbox_events";
    const COLUMNS: &'static str = "id, event_type, aggregate_type, aggregate_id, payload, \
                                   actor_user_id, actor_store_id, attempts, created_at, published_at";

    fn encode(&self, line: &mut CopyText) {
        line.field(self.id)
            .field(self.event_type)
            .field(self.aggregate_type)
            .field(self.aggregate_id)
            .field(&self.payload)
            .nullable(self.actor.map(|actor| actor.user_id))
            .nullable(self.actor.map(|actor| actor.store_id))
            .field(1)
            .field(self.happened_at)
            .field(self.happened_at);
    }
}

fn totals(line: &mut CopyText, totals: Totals) -> &mut CopyText {
    line.field(totals.subtotal)
        .field(totals.discount_total)
        .field(totals.total)
}

/// A value of an enumeration, as its column spells it: JSON spells it the same.
fn word(value: impl Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(Value::String(word)) => word,
        other => unreachable!("an enumeration is a word, not {other:?}"),
    }
}
