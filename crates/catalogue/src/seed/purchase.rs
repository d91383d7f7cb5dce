//! A purchase of the past: a cart that was bought whole, with the moves of its orders, made by the rules
//! of the service. Pure.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde_json::json;
use uuid::Uuid;

use splitcart::{
    domain::{
        cart::{CURRENCIES, CartLine, Totals, group_by_vendor, vendor_totals},
        event::{EventActor, OrderCreated, OrderMoved},
        ids::{BuyerStoreId, CartId, OrderId, ProductId, UserId},
        order::{
            Checkout, CheckoutGroup, LineStatus, OrderLine, OrderStatus, PaymentIntent,
            PaymentMethod, PlacedOrder, VendorOrder,
        },
        order_moves::Move,
        pricing::LinePrice,
    },
    seed_ids::mix,
};

use crate::db::bulk::{
    BoughtCartRow, CartItemRow, GroupRow, IntentRow, InventoryItemRow, OrderLineRow, OrderRow,
    PublishedEventRow,
};

/// `UUIDv7`s of a past time. All ids of one sequence ascend, also within a millisecond.
#[derive(Clone, Debug)]
pub struct PastIds {
    noise: u64,
    made: u64,
}

impl PastIds {
    /// Another number gives other ids.
    pub const fn new(noise: u64) -> Self {
        Self { noise, made: 0 }
    }

    /// The next id, as if made at that time.
    pub fn next(&mut self, at: DateTime<Utc>) -> Uuid {
        let ms = at.timestamp_millis().unsigned_abs();
        // 28 bits that ascend, across the version and the variant, then noise.
        let count = self.made & 0x0fff_ffff;
        self.made += 1;
        let high = (ms << 16) | 0x7000 | (count >> 16);
        let noise = mix(self.noise ^ count) >> 18;
        let low = (1 << 63) | ((count & 0xffff) << 46) | noise;
        Uuid::from_u64_pair(high, low)
    }
}

/// A buyer and the person who buys.
#[derive(Clone, Copy, Debug)]
pub struct Purchaser {
    pub store_id: BuyerStoreId,
    pub user_id: UserId,
}

/// See the module.
#[derive(Clone, Debug)]
pub struct Purchase {
    lines: Vec<CartLine>,
    item_ids: Vec<Uuid>,
    cart_totals: Totals,
    checkout: Checkout,
    changed_at: DateTime<Utc>,
    events: Vec<PublishedEventRow>,
}

/// Units of a product that a purchase has taken out of the available ones.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Taken {
    pub reserved: i32,
    pub fulfilled: i32,
}

impl Taken {
    /// The row of the product without these units.
    #[must_use]
    pub const fn from_stock(self, row: InventoryItemRow) -> InventoryItemRow {
        InventoryItemRow {
            available_qty: row.available_qty - self.reserved - self.fulfilled,
            reserved_qty: row.reserved_qty + self.reserved,
            fulfilled_qty: row.fulfilled_qty + self.fulfilled,
            ..row
        }
    }
}

impl Purchase {
    /// Everything is reserved. There are no store discounts.
    pub fn of(
        buyer: Purchaser,
        lines: Vec<CartLine>,
        at: DateTime<Utc>,
        ids: &mut PastIds,
    ) -> Self {
        let item_ids = lines.iter().map(|_| ids.next(at)).collect();
        let group_id = ids.next(at).into();
        let positions: BTreeMap<_, _> = lines.iter().map(|line| line.product_id).zip(0..).collect();
        let vendors = group_by_vendor(&lines).into_iter();
        let orders = vendors.map(|(vendor_store_id, lines)| {
            let totals = totals_of(&lines);
            let line = |line: &&CartLine| OrderLine {
                id: ids.next(at).into(),
                position: positions[&line.product_id],
                product_id: line.product_id,
                sku: line.sku.clone(),
                title: line.title.clone(),
                unit: line.unit,
                qty: line.qty,
                list_price: line.price.list_price,
                unit_price: line.price.unit_price,
                discount: line.price.discount,
                total: line.price.total,
                status: LineStatus::Pending,
                rejection: None,
            };
            let lines = lines.iter().map(line).collect();
            VendorOrder {
                id: ids.next(at).into(),
                vendor_store_id,
                vendor_name: String::new(),
                status: OrderStatus::CreatedPending,
                totals,
                balance_due: totals.total,
                rejection_reason: None,
                payment_intent: (!totals.total.is_zero()).then(|| PaymentIntent {
                    id: ids.next(at).into(),
                    method: PaymentMethod::Cash,
                    status: PaymentMethod::Cash.first_status(),
                    amount: totals.total,
                }),
                lines,
            }
        });
        let orders: Vec<_> = orders.collect();
        let cart_totals = orders.iter().map(|order| order.totals).sum();
        Self {
            item_ids,
            cart_totals,
            checkout: Checkout {
                group: CheckoutGroup {
                    id: group_id,
                    buyer_store_id: buyer.store_id,
                    cart_id: CartId::new(ids.next(at)),
                    created_by: buyer.user_id,
                    currency: CURRENCIES[0].to_owned(),
                    totals: cart_totals,
                    created_at: at,
                },
                orders,
            },
            lines,
            changed_at: at,
            events: Vec::new(),
        }
    }

    /// Moves all orders.
    ///
    /// # Panics
    /// An order may not be moved so.
    pub fn make(
        &mut self,
        order_move: &Move,
        actor: Option<EventActor>,
        at: DateTime<Utc>,
        ids: &mut PastIds,
    ) {
        let group = &mut self.checkout.group;
        for order in &mut self.checkout.orders {
            let moved = order_move.make(order, None);
            let moved = moved.expect("a purchase of the past makes moves that are allowed");
            let placed = PlacedOrder {
                checkout_group_id: group.id,
                buyer_store_id: group.buyer_store_id,
                buyer_name: String::new(),
                currency: group.currency.clone(),
                created_at: group.created_at,
                updated_at: at,
                order: order.clone(),
            };
            let (event_type, event) = OrderMoved::announcing(&placed, &moved, order_move);
            self.events.push(PublishedEventRow {
                id: ids.next(at),
                event_type,
                aggregate_type: OrderMoved::AGGREGATE,
                aggregate_id: order.id.uuid(),
                payload: json!(event),
                actor,
                happened_at: at,
            });
        }
        let orders = self.checkout.orders.iter();
        group.totals = orders.map(|order| order.totals).sum();
        self.changed_at = at;
    }

    /// The event of the checkout.
    pub fn announce(&mut self, ids: &mut PastIds) {
        let group = &self.checkout.group;
        self.events.push(PublishedEventRow {
            id: ids.next(group.created_at),
            event_type: OrderCreated::TYPE,
            aggregate_type: OrderCreated::AGGREGATE,
            aggregate_id: group.id.uuid(),
            payload: json!(OrderCreated::announcing(&self.checkout)),
            actor: None,
            happened_at: group.created_at,
        });
    }

    pub fn cart_id(&self) -> CartId {
        self.checkout.group.cart_id
    }

    /// The orders, in ascending vendor id.
    pub fn orders(&self) -> &[VendorOrder] {
        &self.checkout.orders
    }

    /// The orders' ids.
    pub fn order_ids(&self) -> impl Iterator<Item = OrderId> {
        self.checkout.orders.iter().map(|order| order.id)
    }

    /// The units that are not available any more.
    pub fn taken(&self) -> impl Iterator<Item = (ProductId, Taken)> {
        let lines = self.checkout.orders.iter().flat_map(|order| &order.lines);
        lines.map(|line| {
            let mut taken = Taken::default();
            match line.status {
                LineStatus::Rejected => {}
                LineStatus::Fulfilled => taken.fulfilled = line.qty,
                LineStatus::Pending | LineStatus::Accepted | LineStatus::Hold => {
                    taken.reserved = line.qty;
                }
            }
            (line.product_id, taken)
        })
    }

    pub fn cart_row(&self) -> BoughtCartRow {
        let group = &self.checkout.group;
        BoughtCartRow {
            id: group.cart_id,
            buyer_store_id: group.buyer_store_id,
            created_by: group.created_by,
            totals: self.cart_totals,
            bought_at: group.created_at,
        }
    }

    pub fn item_rows(&self) -> impl Iterator<Item = CartItemRow<'_>> {
        let lines = self.lines.iter().zip(&self.item_ids).enumerate();
        lines.map(|(position, (line, id))| CartItemRow {
            id: *id,
            cart_id: self.cart_id(),
            position,
            line,
        })
    }

    pub const fn group_row(&self) -> GroupRow<'_> {
        GroupRow(&self.checkout.group)
    }

    pub fn order_rows(&self) -> impl Iterator<Item = OrderRow<'_>> {
        let orders = self.checkout.orders.iter();
        orders.map(|order| OrderRow {
            group: &self.checkout.group,
            order,
            changed_at: self.changed_at,
        })
    }

    pub fn line_rows(&self) -> impl Iterator<Item = OrderLineRow<'_>> {
        let group = &self.checkout.group;
        self.checkout.orders.iter().flat_map(move |order| {
            order.lines.iter().map(move |line| OrderLineRow {
                order_id: order.id,
                group_id: group.id,
                line,
                created_at: group.created_at,
                changed_at: self.changed_at,
            })
        })
    }

    pub fn intent_rows(&self) -> impl Iterator<Item = IntentRow> {
        let orders = self.checkout.orders.iter();
        orders.filter_map(|order| {
            Some(IntentRow {
                order_id: order.id,
                intent: order.payment_intent?,
                created_at: self.checkout.group.created_at,
                changed_at: self.changed_at,
            })
        })
    }

    pub fn event_rows(&self) -> impl Iterator<Item = PublishedEventRow> {
        self.events.iter().cloned()
    }
}

fn totals_of(lines: &[&CartLine]) -> Totals {
    let prices: Vec<LinePrice> = lines.iter().map(|line| line.price).collect();
    vendor_totals(&prices, None)
}
