//! Purchase limits: how many of a product a buyer store may have reserved or bought within a time.
//!
//! What counts are the units of lines that were not rejected, in orders of this store that are younger than
//! the limit's days. They are counted per store and product, not per cart or person.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};

use super::{ids::BuyerStoreId, lock_order::StockKey};

/// The limit of a product.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PurchaseLimit {
    /// The most units; always positive.
    pub qty: i32,
    /// The days before now in which purchases count; `None` for all time.
    pub days: Option<i32>,
}

impl PurchaseLimit {
    /// The limit that the columns of a product tell of.
    pub fn from_columns(qty: Option<i32>, days: Option<i32>) -> Option<Self> {
        qty.map(|qty| Self { qty, days })
    }

    /// The time after which purchases count; `None` for all time.
    pub fn counts_since(self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let window = TimeDelta::days(self.days?.into());
        // A window that begins before there is any time is all time.
        now.checked_sub_signed(window)
    }
}

/// A limit that a line has run into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LimitReached {
    /// The most units that the buyer may have.
    pub limit_qty: i32,
    /// The units that the buyer had before this line.
    pub bought_qty: i64,
}

impl LimitReached {
    /// The units that the buyer may still have. None are left after a limit was lowered below what had been
    /// bought.
    pub fn left_qty(self) -> i32 {
        let left = i64::from(self.limit_qty) - self.bought_qty;
        i32::try_from(left.max(0)).expect("at most the limit is left")
    }
}

/// A buyer store and a product that it buys of a vendor: purchases are counted per such pair.
///
/// The product's row of stock serializes them: each checkout that reserves any of it locks that row, and
/// counts what the buyer has bought afterwards. So a limit holds however many carts a store buys at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct BuyerProduct {
    pub buyer_store_id: BuyerStoreId,
    pub stock: StockKey,
}

/// The limit that a demand is under.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DemandLimit {
    /// The store whose purchases count.
    pub buyer_store_id: BuyerStoreId,
    /// The most units that it may have.
    pub qty: i32,
    /// The time after which purchases count; `None` for all time.
    pub since: Option<DateTime<Utc>>,
}

/// The purchases that are to be counted, with the time after which each pair's count.
pub type Windows = BTreeMap<BuyerProduct, Option<DateTime<Utc>>>;

/// The units that buyers have bought. A pair without any is left out.
pub type Bought = BTreeMap<BuyerProduct, i64>;

/// The purchases of a buyer for which a speculation is right, once it is written: its own units are among
/// them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExpectedPurchases {
    /// The time after which purchases count; `None` for all time.
    pub since: Option<DateTime<Utc>>,
    /// The fewest units for which the allocation is right.
    pub bought_min: i64,
    /// The most units for which it is right.
    pub bought_max: i64,
}

impl ExpectedPurchases {
    /// True if the allocation is right for so many units.
    pub fn admits(self, bought_qty: i64) -> bool {
        (self.bought_min..=self.bought_max).contains(&bought_qty)
    }
}
