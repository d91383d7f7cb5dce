//! Counts of a vendor's stock: what an item makes of a row, and what is told about it.
//!
//! A request names products in a sequence. Each item is decided on what the items before it have left, and
//! a refused item changes nothing.

use std::collections::{BTreeMap, HashSet};

use serde::Serialize;
use utoipa::ToSchema;

use super::ids::ProductId;

/// The most items of one request.
pub const ITEMS_MAX: usize = 1000;

/// The longest SKU, in characters.
pub const SKU_LEN_MAX: usize = 255;

/// A product as its vendor names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProductName {
    Id(ProductId),
    Sku(String),
}

/// The quantity that an item gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CountedQty {
    /// Units on the shelf, reserved ones included. Not negative.
    OnHand(i32),
    /// Units that may still be sold. Not negative.
    Available(i32),
    /// Units added to those that may still be sold.
    Delta(i32),
}

/// The change that an item asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StockChange {
    pub qty: Option<CountedQty>,
    /// Not negative.
    pub low_stock_threshold: Option<i32>,
    /// The version of the row that the vendor has seen.
    pub if_version: Option<i64>,
}

/// An item of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StockItem {
    pub product: ProductName,
    pub change: StockChange,
}

/// The part of a row of stock that a count reads and writes. The default is what a product without a row
/// counts from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StockRow {
    pub available_qty: i32,
    pub reserved_qty: i32,
    pub low_stock_threshold: i32,
    /// Counts the changes by counts and imports.
    pub version: i64,
}

/// The reason for which an item is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum CountRefusal {
    ProductNotFound,
    /// An item before this one names the product, too.
    DuplicateProduct,
    /// Fewer units are on hand than are reserved.
    BelowReserved,
    /// More units would be taken than are available.
    BelowZero,
    /// Available and reserved units together exceed what a row can hold.
    TooLarge,
    VersionMismatch,
}

impl CountRefusal {
    /// All reasons, in the order of the documentation.
    pub const ALL: [Self; 6] = [
        Self::ProductNotFound,
        Self::DuplicateProduct,
        Self::BelowReserved,
        Self::BelowZero,
        Self::TooLarge,
        Self::VersionMismatch,
    ];
}

/// The result of an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CountResult {
    Changed,
    Unchanged,
    Refused(CountRefusal),
}

/// A product of the vendor that an item names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundProduct {
    pub id: ProductId,
    pub sku: String,
}

/// The answer to an item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CountedItem {
    /// The product as far as it is known: an unknown one has the name that the item gives.
    pub product_id: Option<ProductId>,
    pub sku: Option<String>,
    pub result: CountResult,
    /// The row after this item; `None` without a product.
    pub row: Option<StockRow>,
}

/// The decision about a request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StockCount {
    /// One per item, in the same order.
    pub items: Vec<CountedItem>,
    /// The rows that are to be written: changed ones, and new ones even if they are empty.
    pub writes: BTreeMap<ProductId, StockRow>,
}

impl StockChange {
    /// The row after the change; the same row if nothing changes.
    ///
    /// # Errors
    /// The change is refused.
    pub fn apply(&self, row: StockRow) -> Result<StockRow, CountRefusal> {
        if self
            .if_version
            .is_some_and(|version| version != row.version)
        {
            return Err(CountRefusal::VersionMismatch);
        }
        let reserved = i64::from(row.reserved_qty);
        let available = match self.qty {
            None => i64::from(row.available_qty),
            Some(CountedQty::Available(qty)) => i64::from(qty),
            Some(CountedQty::OnHand(qty)) => i64::from(qty) - reserved,
            Some(CountedQty::Delta(qty)) => i64::from(row.available_qty) + i64::from(qty),
        };
        if available < 0 {
            return Err(match self.qty {
                Some(CountedQty::OnHand(_)) => CountRefusal::BelowReserved,
                _ => CountRefusal::BelowZero,
            });
        }
        if available + reserved > i64::from(i32::MAX) {
            return Err(CountRefusal::TooLarge);
        }
        let changed = StockRow {
            available_qty: i32::try_from(available).expect("it fits with the reserved ones"),
            low_stock_threshold: self.low_stock_threshold.unwrap_or(row.low_stock_threshold),
            ..row
        };
        Ok(if changed == row {
            row
        } else {
            StockRow {
                version: row.version.saturating_add(1),
                ..changed
            }
        })
    }
}

/// Decides about the items, first to last. `found` has the product of each item; `rows` has the stock of
/// these products, of which some may have none.
pub fn count(
    items: &[StockItem],
    found: &[Option<FoundProduct>],
    rows: &BTreeMap<ProductId, StockRow>,
) -> StockCount {
    let mut named = HashSet::new();
    let mut count = StockCount::default();
    for (item, found) in items.iter().zip(found) {
        let Some(product) = found else {
            count.items.push(not_found(&item.product));
            continue;
        };
        let known = rows.get(&product.id).copied();
        let before = count.writes.get(&product.id).copied().or(known);
        let row = before.unwrap_or_default();
        let outcome = if named.insert(product.id) {
            item.change.apply(row)
        } else {
            Err(CountRefusal::DuplicateProduct)
        };
        let (result, row) = match outcome {
            Ok(after) if after == row => (CountResult::Unchanged, row),
            Ok(after) => (CountResult::Changed, after),
            Err(refusal) => (CountResult::Refused(refusal), row),
        };
        let is_new = before.is_none() && result == CountResult::Unchanged;
        if is_new || result == CountResult::Changed {
            count.writes.insert(product.id, row);
        }
        count.items.push(CountedItem {
            product_id: Some(product.id),
            sku: Some(product.sku.clone()),
            result,
            row: Some(row),
        });
    }
    count
}

fn not_found(name: &ProductName) -> CountedItem {
    let (product_id, sku) = match name {
        ProductName::Id(id) => (Some(*id), None),
        ProductName::Sku(sku) => (None, Some(sku.clone())),
    };
    CountedItem {
        product_id,
        sku,
        result: CountResult::Refused(CountRefusal::ProductNotFound),
        row: None,
    }
}
