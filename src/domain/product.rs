//! Products as a vendor offers them, and how much of them there is.

use serde::Serialize;
use utoipa::ToSchema;

use super::{
    ids::{ProductId, VendorStoreId},
    money::{Money, Percent},
};

/// What one unit of quantity is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema, sqlx::Type)]
#[serde(rename_all = "snake_case")]
#[sqlx(type_name = "text", rename_all = "snake_case")]
#[expect(missing_docs, reason = "the names say it")]
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
    /// The least quantity it holds for.
    pub min_qty: i32,
    /// What is taken off the list price of each unit.
    pub discount_percent: Percent,
}

/// A product of the catalogue with its tiers and what is available of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Product {
    /// Its id.
    pub id: ProductId,
    /// Whose it is.
    pub vendor_store_id: VendorStoreId,
    /// The vendor's own number for it.
    pub sku: String,
    /// Its name, for people.
    pub title: String,
    /// What one unit of quantity is.
    pub unit: Unit,
    /// Where a picture of it is.
    pub image_url: Option<String>,
    /// The list price of one unit.
    pub price: Money,
    /// The least quantity that is sold at once.
    pub moq: i32,
    /// The greatest quantity that is sold at once; `None` without a cap.
    pub max_qty: Option<i32>,
    /// Whether it is sold at all.
    pub is_active: bool,
    /// Its tiers, in no particular order.
    pub tiers: Vec<VolumeTier>,
    /// What is available now; 0 without an inventory row.
    pub available_qty: i32,
}
