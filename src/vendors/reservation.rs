//! Reservations: the stock of all vendors of a transaction, reserved in one statement if it is as expected,
//! in two otherwise, and one more if products have purchase limits. The vendors' turns are in the
//! transaction by then.

use std::collections::BTreeMap;

use crate::{
    db::{self, inventory::StockCheck},
    domain::{
        ids::{ProductId, VendorStoreId},
        lock_order::StockKey,
        low_stock::StockTaken,
        optimistic::ExpectedStock,
        purchase_limit::{BuyerProduct, ExpectedPurchases},
        reservation::{Bid, BidOutcomes, allocate, purchases_to_count},
    },
    faults,
};

use super::lent_tx::LentTx;

/// A reservation that is to be made.
#[derive(Debug)]
pub(crate) enum Reservation {
    /// Reserve what a speculation has allocated, and has written, if stock and purchases are as expected.
    Optimistic {
        stock: BTreeMap<StockKey, ExpectedStock>,
        purchases: BTreeMap<BuyerProduct, ExpectedPurchases>,
    },
    /// Lock the stock, then serve these bids in their order from what is there.
    Pessimistic(Vec<Bid>),
}

impl Reservation {
    /// The vendors whose stock is to be reserved, in ascending id.
    pub(super) fn vendors(&self) -> Vec<VendorStoreId> {
        let mut vendors: Vec<_> = match self {
            Self::Optimistic { stock, .. } => {
                let stock = stock.keys();
                stock.map(|stock| stock.vendor_store_id).collect()
            }
            Self::Pessimistic(bids) => {
                let demands = bids.iter().flat_map(|bid| &bid.demands);
                demands.map(|demand| demand.stock.vendor_store_id).collect()
            }
        };
        vendors.sort_unstable();
        vendors.dedup();
        vendors
    }

    /// The result of a reservation that concerns no vendor.
    pub(super) fn of_nothing(&self) -> Reserved {
        match self {
            Self::Optimistic { .. } => Reserved::AsExpected { low: Vec::new() },
            Self::Pessimistic(bids) => Reserved::Allocated {
                outcomes: vec![BidOutcomes::new(); bids.len()],
                low: Vec::new(),
            },
        }
    }

    /// Reserves in the transaction.
    pub(super) async fn make(self, tx: &mut LentTx) -> Result<Reserved, db::Error> {
        assert!(
            tx.turns().eq(self.vendors()),
            "stock is reserved of vendors whose turn it is"
        );
        faults::place("in_vendor_actor").await;
        match self {
            Self::Optimistic { stock, purchases } => {
                match db::inventory::reserve_expected(tx.connection(), &stock).await? {
                    StockCheck::AsExpected { low } => {
                        let products = count_again(tx, &purchases).await?;
                        Ok(if products.is_empty() {
                            Reserved::AsExpected { low }
                        } else {
                            Reserved::StockMoved { products }
                        })
                    }
                    StockCheck::Moved { products } => Ok(Reserved::StockMoved { products }),
                }
            }
            Self::Pessimistic(bids) => lock_and_serve(tx, &bids).await,
        }
    }
}

/// The result of a reservation.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Reserved {
    /// Stock and purchases were as expected, and the stock is reserved.
    AsExpected {
        /// The stock that has run low by that.
        low: Vec<StockTaken>,
    },
    /// Stock or purchases are not as expected: the transaction must be rolled back.
    StockMoved {
        /// The products whose stock or purchases are not as expected; empty if a row has vanished or appeared.
        products: Vec<ProductId>,
    },
    /// The stock is reserved.
    Allocated {
        /// One per bid, in their order.
        outcomes: Vec<BidOutcomes>,
        /// The stock that has run low by that.
        low: Vec<StockTaken>,
    },
}

/// Counts purchases of limited products once more, now that the rows of stock are locked. Returns the products
/// whose purchases are not as expected.
async fn count_again(
    tx: &mut LentTx,
    expected: &BTreeMap<BuyerProduct, ExpectedPurchases>,
) -> Result<Vec<ProductId>, db::Error> {
    let windows = expected
        .iter()
        .map(|(pair, expected)| (*pair, expected.since));
    let bought = db::orders::count_bought(tx.connection(), &windows.collect()).await?;
    let moved = expected.iter().filter(|(pair, expected)| {
        let bought_qty = bought.get(pair).copied().unwrap_or(0);
        !expected.admits(bought_qty)
    });
    Ok(moved.map(|(pair, _)| pair.stock.product_id).collect())
}

async fn lock_and_serve(tx: &mut LentTx, bids: &[Bid]) -> Result<Reserved, db::Error> {
    let demands = bids.iter().flat_map(|bid| &bid.demands);
    let stock = demands.map(|demand| demand.stock).collect();
    let available = db::inventory::lock(tx.connection(), &stock).await?;
    let windows = purchases_to_count(bids);
    let bought = db::orders::count_bought(tx.connection(), &windows).await?;
    let allocation = allocate(bids, &available, &bought);
    let mut low = Vec::new();
    if !allocation.granted.is_empty() {
        low = db::inventory::reserve_allocated(tx.connection(), &allocation.granted).await?;
        // The rows are locked, so nothing can have taken the units.
        let rows = allocation.granted.len();
        assert_eq!(low.len(), rows, "an allocation always fits");
        low.retain(StockTaken::has_run_low);
    }
    Ok(Reserved::Allocated {
        outcomes: allocation.outcomes,
        low,
    })
}
