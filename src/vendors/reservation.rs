//! Reservations: the stock of all vendors of a transaction, reserved in one statement if it is as expected,
//! in two otherwise, and one more if products have purchase limits. The vendors' turns are in the
//! transaction by then.

use std::collections::BTreeMap;

use crate::{
    db::{self, inventory::StockCheck},
    domain::{
        ids::{ProductId, VendorStoreId},
        lock_order::StockKey,
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
            Self::Optimistic { .. } => Reserved::AsExpected,
            Self::Pessimistic(bids) => Reserved::Allocated(vec![BidOutcomes::new(); bids.len()]),
        }
    }

    /// Reserves in the transaction.
    pub(super) async fn make(self, tx: &mut LentTx) -> Result<Reserved, db::Error> {
        assert!(
            tx.turns().eq(self.vendors()),
            "stock is reserved of vendors whose turn it is"
        );
        faults::place("in_vendor_actor").await;
        Ok(match self {
            Self::Optimistic { stock, purchases } => {
                match db::inventory::reserve_expected(tx.connection(), &stock).await? {
                    StockCheck::AsExpected => count_again(tx, &purchases).await?,
                    StockCheck::Moved { products } => Reserved::StockMoved { products },
                }
            }
            Self::Pessimistic(bids) => Reserved::Allocated(lock_and_serve(tx, &bids).await?),
        })
    }
}

/// The result of a reservation.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Reserved {
    /// Stock and purchases were as expected, and the stock is reserved.
    AsExpected,
    /// Stock or purchases are not as expected: the transaction must be rolled back.
    StockMoved {
        /// The products whose stock or purchases are not as expected; empty if a row has vanished or appeared.
        products: Vec<ProductId>,
    },
    /// The outcomes of the bids, in their order.
    Allocated(Vec<BidOutcomes>),
}

/// Counts purchases of limited products once more, now that the rows of stock are locked.
async fn count_again(
    tx: &mut LentTx,
    expected: &BTreeMap<BuyerProduct, ExpectedPurchases>,
) -> Result<Reserved, db::Error> {
    let windows = expected
        .iter()
        .map(|(pair, expected)| (*pair, expected.since));
    let bought = db::orders::count_bought(tx.connection(), &windows.collect()).await?;
    let moved = expected.iter().filter(|(pair, expected)| {
        let bought_qty = bought.get(pair).copied().unwrap_or(0);
        !expected.admits(bought_qty)
    });
    let products: Vec<_> = moved.map(|(pair, _)| pair.stock.product_id).collect();
    Ok(if products.is_empty() {
        Reserved::AsExpected
    } else {
        Reserved::StockMoved { products }
    })
}

async fn lock_and_serve(tx: &mut LentTx, bids: &[Bid]) -> Result<Vec<BidOutcomes>, db::Error> {
    let demands = bids.iter().flat_map(|bid| &bid.demands);
    let stock = demands.map(|demand| demand.stock).collect();
    let available = db::inventory::lock(tx.connection(), &stock).await?;
    let windows = purchases_to_count(bids);
    let bought = db::orders::count_bought(tx.connection(), &windows).await?;
    let allocation = allocate(bids, &available, &bought);
    if !allocation.granted.is_empty() {
        let changed =
            db::inventory::reserve_allocated(tx.connection(), &allocation.granted).await?;
        // The rows are locked, so nothing can have taken the units.
        let rows = allocation.granted.len();
        assert_eq!(changed, rows as u64, "an allocation always fits");
    }
    Ok(allocation.outcomes)
}
