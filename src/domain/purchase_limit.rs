//! Purchase limits: how many of a product a buyer store may have reserved or bought within a time.

use chrono::TimeDelta;

/// The limit of a product.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PurchaseLimit {
    /// The most units; always positive.
    pub qty: i32,
    /// The days before now in which purchases count; `None` for all time.
    pub days: Option<i32>,
}

impl PurchaseLimit {
    /// The time before now in which purchases count.
    pub fn window(self) -> Option<TimeDelta> {
        self.days.map(|days| TimeDelta::days(days.into()))
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
