//! Reservations: the stock of all vendors of a transaction, reserved in one statement if it is as expected,
//! in two otherwise. The vendors' turns are in the transaction by then.

use std::collections::BTreeMap;

use crate::{
    db::{self, inventory::StockCheck},
    domain::{
        ids::{ProductId, VendorStoreId},
        lock_order::StockKey,
        optimistic::ExpectedStock,
        reservation::{Bid, BidOutcomes, allocate},
    },
    faults,
};

use super::lent_tx::LentTx;

/// A reservation that is to be made.
#[derive(Debug)]
pub(crate) enum Reservation {
    /// Reserve what a speculation has allocated, if the stock is as expected.
    Optimistic(BTreeMap<StockKey, ExpectedStock>),
    /// Lock the stock, then serve these bids in their order from what is there.
    Pessimistic(Vec<Bid>),
}

impl Reservation {
    /// The vendors whose stock is to be reserved, in ascending id.
    pub(super) fn vendors(&self) -> Vec<VendorStoreId> {
        let mut vendors: Vec<_> = match self {
            Self::Optimistic(expected) => {
                let stock = expected.keys();
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
            Self::Optimistic(_) => Reserved::AsExpected,
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
            Self::Optimistic(expected) => {
                match db::inventory::reserve_expected(tx.connection(), &expected).await? {
                    StockCheck::AsExpected => Reserved::AsExpected,
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
    /// The stock was as expected and is reserved.
    AsExpected,
    /// Stock is not as expected: the transaction must be rolled back.
    StockMoved {
        /// The products whose stock is not as expected; empty if a row has vanished or appeared.
        products: Vec<ProductId>,
    },
    /// The outcomes of the bids, in their order.
    Allocated(Vec<BidOutcomes>),
}

async fn lock_and_serve(tx: &mut LentTx, bids: &[Bid]) -> Result<Vec<BidOutcomes>, db::Error> {
    let demands = bids.iter().flat_map(|bid| &bid.demands);
    let stock = demands.map(|demand| demand.stock).collect();
    let available = db::inventory::lock(tx.connection(), &stock).await?;
    let allocation = allocate(bids, &available);
    if !allocation.granted.is_empty() {
        let changed =
            db::inventory::reserve_allocated(tx.connection(), &allocation.granted).await?;
        // The rows are locked, so nothing can have taken the units.
        let rows = allocation.granted.len();
        assert_eq!(changed, rows as u64, "an allocation always fits");
    }
    Ok(allocation.outcomes)
}
