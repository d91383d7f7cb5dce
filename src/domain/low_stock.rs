//! Stock that runs low. A vendor is notified once each time that the available units of a product go to its
//! threshold, and once when the last one is gone.

use chrono::{DateTime, Utc};

use super::lock_order::StockKey;

/// The stock of a product before and after units were taken from what is available.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StockTaken {
    pub stock: StockKey,
    /// The available units before.
    pub available_before: i32,
    /// The available units after it.
    pub available_qty: i32,
    /// The product's threshold after it; 0 if the vendor has set none.
    pub low_stock_threshold: i32,
    /// A time at which the row was locked, so that times of one product ascend.
    pub taken_at: DateTime<Utc>,
}

impl StockTaken {
    /// True if this change went from above the threshold, or from above 0, to it or below. A change that
    /// starts below a bound does not cross it again, and neither does a threshold that is raised.
    pub const fn has_run_low(&self) -> bool {
        self.has_crossed(self.low_stock_threshold) || self.has_crossed(0)
    }

    const fn has_crossed(&self, bound: i32) -> bool {
        self.available_before > bound && self.available_qty <= bound
    }
}
