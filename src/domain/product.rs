//! Products as their vendors offer them, and their stock.

use serde::Serialize;
use utoipa::ToSchema;

use super::{
    ids::{ProductId, VendorStoreId},
    money::{Money, Percent},
    purchase_limit::PurchaseLimit,
};

/// The unit in which a product's quantity is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema, sqlx::Type)]
#[serde(rename_all = "snake_case")]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub enum Unit {
    Unit,
    Gram,
    Ounce,
    Pound,
    Eighth,
    Sixteenth,
}

/// A volume tier: from `min_qty` units on, each unit is cheaper.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct VolumeTier {
    /// The least quantity for which the tier holds.
    pub min_qty: i32,
    /// The share that is taken off the list price of each unit.
    pub discount_percent: Percent,
}

/// A product of the catalogue with its tiers and its stock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Product {
    pub id: ProductId,
    pub vendor_store_id: VendorStoreId,
    /// The vendor's own number for the product.
    pub sku: String,
    pub title: String,
    pub unit: Unit,
    pub image_url: Option<String>,
    /// The list price of one unit.
    pub price: Money,
    /// The least quantity that is sold at once.
    pub moq: i32,
    /// The greatest quantity that is sold at once; `None` without a cap.
    pub max_qty: Option<i32>,
    /// The most that one buyer store may have; `None` without a limit.
    pub purchase_limit: Option<PurchaseLimit>,
    /// False if the product is no longer sold.
    pub is_active: bool,
    /// The volume tiers, in no particular order.
    pub tiers: Vec<VolumeTier>,
    /// The available stock; 0 without an inventory row.
    pub available_qty: i32,
}
