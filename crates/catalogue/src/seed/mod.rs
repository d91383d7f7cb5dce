//! A demo catalogue: cannabis wholesale in Oklahoma and its neighbours, the same for the same plan.
//!
//! Owns what the rows say. Pure: no database, no clock (`now` comes in), no state between rows.
//! Every row follows from the plan and its number, counted from 1, so rows can be streamed,
//! repeated and named from outside: `product_id(seed, 17)` needs no query. How rows are written is
//! `db::bulk`'s business, and in which order is the caller's.

mod dice;
mod discounts;
mod goods;
mod lines;
mod names;
mod orders;
mod people;
pub mod purchase;
mod stores;
#[cfg(test)]
mod tests;
mod words;

use chrono::DateTime;
use thiserror::Error;

pub use discounts::store_discounts;
pub use goods::{LIMITED_PRODUCT, inventory_item, product, volume_tiers};
pub use orders::{ORDERS_MAX, purchases};
pub use people::{
    owner, owner_membership, vendor_membership, vendor_owner, viewer, viewer_membership,
};
pub use splitcart::seed_ids::{
    buyer_store_id, buyer_user_id, product_id, vendor_store_id, vendor_user_id,
};
pub use stores::{buyer_license, buyer_store, subscription, vendor_license, vendor_store};

/// The most vendors a plan may ask for.
pub const VENDORS_MAX: u32 = 1_000_000;
/// The most products a plan may ask for.
pub const PRODUCTS_MAX: u32 = 10_000_000;
/// The most buyers a plan may ask for.
pub const BUYERS_MAX: u32 = 1_000_000;

/// Every `VIEWER_EVERY`th buyer has a second member who may only look.
const VIEWER_EVERY: u32 = 10;

/// The size of a catalogue, and the number that selects one of all possible. Call
/// [`SeedPlan::validate`] before use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SeedPlan {
    /// Vendor stores.
    pub vendors: u32,
    /// Products, dealt to the vendors in turn.
    pub products: u32,
    /// Buyer stores.
    pub buyers: u32,
    /// Orders of the past, of buyers 2 to 4 and of vendors that may always sell; none where only
    /// the catalogue is wanted.
    pub orders: u32,
    /// Another number gives other ids, names and prices.
    pub seed: u64,
}

/// Everything that is wrong with a plan.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{}", .0.join("; "))]
pub struct InvalidPlan(Vec<String>);

/// The number of rows of each kind that a plan makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RowCounts {
    pub users: u64,
    pub stores: u64,
    pub memberships: u64,
    pub licenses: u64,
    pub subscriptions: u64,
    pub products: u64,
    pub volume_tiers: u64,
    pub store_discounts: u64,
    pub inventory_items: u64,
    /// Each of a cart and a checkout of its own.
    pub orders: u64,
    /// The lines of the orders, and of their carts.
    pub order_lines: u64,
    pub events: u64,
}

impl SeedPlan {
    /// Checks the plan.
    ///
    /// # Errors
    /// All problems of the plan.
    pub fn validate(&self) -> Result<(), InvalidPlan> {
        let mut wrong = Vec::new();
        for (name, count, max) in [
            ("vendors", self.vendors, VENDORS_MAX),
            ("products", self.products, PRODUCTS_MAX),
            ("buyers", self.buyers, BUYERS_MAX),
        ] {
            if !(1..=max).contains(&count) {
                wrong.push(format!("{name} must be 1 to {max}, not {count}"));
            }
        }
        if self.products < self.vendors {
            wrong.push(format!(
                "{} products cannot give each of {} vendors one",
                self.products, self.vendors
            ));
        }
        if self.orders > ORDERS_MAX {
            wrong.push(format!(
                "orders must be 0 to {ORDERS_MAX}, not {}",
                self.orders
            ));
        } else if wrong.is_empty() && !self.has_room_for(self.orders) {
            wrong.push(format!(
                "{} orders need more than {} products",
                self.orders, self.products
            ));
        }
        if wrong.is_empty() {
            Ok(())
        } else {
            Err(InvalidPlan(wrong))
        }
    }

    /// True if there are enough products for so many orders.
    pub fn has_room_for(&self, orders: u32) -> bool {
        orders == 0 || orders::first_product(self, orders) <= self.products.into()
    }

    /// The vendor, counted from 1, that sells product `n`.
    pub fn vendor_of_product(&self, n: u32) -> u32 {
        (n - 1) % self.vendors + 1
    }

    /// The buyers, counted from 1, that have a viewer.
    pub fn buyers_with_viewer(&self) -> impl Iterator<Item = u32> + use<> {
        (1..=self.buyers / VIEWER_EVERY).map(|n| n * VIEWER_EVERY)
    }

    /// Counts what the plan makes, without making it.
    pub fn row_counts(&self) -> RowCounts {
        let [vendors, products, buyers] = [self.vendors, self.products, self.buyers].map(u64::from);
        let purchases = purchases(self, DateTime::UNIX_EPOCH);
        let users = buyers + u64::from(self.buyers / VIEWER_EVERY) + vendors;
        RowCounts {
            users,
            stores: buyers + vendors,
            memberships: users,
            licenses: buyers + vendors,
            subscriptions: vendors,
            products,
            volume_tiers: (1..=self.products)
                .map(|n| goods::volume_tier_count(self, n))
                .sum(),
            store_discounts: (1..=self.vendors)
                .map(|n| discounts::store_discount_count(self, n))
                .sum(),
            inventory_items: products,
            orders: purchases.len() as u64,
            order_lines: purchases
                .iter()
                .map(|it| it.line_rows().count() as u64)
                .sum(),
            events: purchases
                .iter()
                .map(|it| it.event_rows().count() as u64)
                .sum(),
        }
    }
}

impl RowCounts {
    /// All rows.
    pub fn total(&self) -> u64 {
        self.users
            + self.stores
            + self.memberships
            + self.licenses
            + self.subscriptions
            + self.products
            + self.volume_tiers
            + self.store_discounts
            + self.inventory_items
            // The cart, the group, the order and the payment intent.
            + 4 * self.orders
            + 2 * self.order_lines
            + self.events
    }
}
