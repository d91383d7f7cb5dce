//! The order in which a checkout takes locks. Every checkout follows it, so waits never form a cycle.
//!
//! 1. Carts, in ascending id (`db::carts::lock`).
//! 2. The turns of vendors, in ascending id (`vendors::lent_tx`).
//! 3. Rows of stock, in ascending [`StockKey`] (`db::inventory`).

use super::ids::{ProductId, VendorStoreId};

/// One vendor's stock of one product.
///
/// `Ord` is the lock order of stock: by vendor, then by product. A `BTreeMap` with this key is walked in
/// the order in which its rows may be locked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StockKey {
    // The fields are in the order in which they are compared.
    pub vendor_store_id: VendorStoreId,
    pub product_id: ProductId,
}
