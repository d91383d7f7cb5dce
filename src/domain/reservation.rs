//! Reservations: it is decided here who gets the last units.
//!
//! Bids are served one by one, first come, first served; a smaller bid is served also behind one that did
//! not fit. The outcome of a bid depends on its shortage policy: either a line goes through or not on its
//! own, or lines go through together or not at all. Units that are withheld are never reserved in the first
//! place, so nothing is ever undone.
//!
//! A demand of a product with a purchase limit gets no more than the limit leaves to its buyer, for whom
//! earlier bids count, too.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    ids::ProductId,
    lock_order::StockKey,
    purchase_limit::{Bought, BuyerProduct, DemandLimit, LimitReached, Windows},
    shortage_policy::ShortagePolicy,
};

/// One line's demand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Demand {
    /// The stock that is asked for.
    pub stock: StockKey,
    /// The units that are wanted; always positive.
    pub qty: i32,
    /// The fewest units that may be reserved in their place; `qty` if the line is all or nothing.
    pub qty_min: i32,
    /// The purchase limit of the product, if it has one.
    pub limit: Option<DemandLimit>,
}

/// All demands of one checkout. The place in a list of bids is the place in the queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bid {
    /// The policy that says which demands go through together or not at all.
    pub policy: ShortagePolicy,
    /// Each product at most once.
    pub demands: Vec<Demand>,
    /// True if these are all lines of the cart. The others are rejected whatever stock there is.
    pub is_complete: bool,
}

/// The outcome of one line's demand (PF-079).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReservationOutcome {
    /// All units moved from available to reserved.
    Reserved,
    /// There were too few: the ones that were left moved, the rest did not.
    Filled {
        /// The units that were left for this line, and are reserved now.
        available_qty: i32,
    },
    /// There were too few; nothing moved.
    Insufficient {
        /// The units that were left for this line.
        available_qty: i32,
    },
    /// The purchase limit leaves fewer, and no more than there were: the ones that it leaves moved, the rest
    /// did not.
    FilledToLimit(LimitReached),
    /// The purchase limit leaves fewer, and no more than there were; nothing moved.
    LimitReached(LimitReached),
    /// There were enough, but another line that must go through with this one could not be had whole.
    Withheld,
}

impl ReservationOutcome {
    /// True if any unit moved.
    pub const fn is_reserved(self) -> bool {
        matches!(
            self,
            Self::Reserved | Self::Filled { .. } | Self::FilledToLimit(_)
        )
    }
}

/// The outcomes of one bid, by product.
pub type BidOutcomes = BTreeMap<ProductId, ReservationOutcome>;

/// The allocation of stock to bids.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Allocation {
    /// One per bid, in the same order.
    pub outcomes: Vec<BidOutcomes>,
    /// The units to reserve. Products of which no bid gets any are left out.
    pub granted: BTreeMap<StockKey, i32>,
}

/// Serves the bids in their order. A product that is not in `available` has none, and a buyer has bought
/// nothing of a product that is not in `bought`.
pub fn allocate(bids: &[Bid], available: &BTreeMap<StockKey, i32>, bought: &Bought) -> Allocation {
    let mut granted: BTreeMap<StockKey, i32> = BTreeMap::new();
    // The units of limited products, by their buyer.
    let mut granted_to = Bought::new();
    let outcomes = bids.iter().map(|bid| {
        let outcomes = bid.outcomes(|demand| {
            let units_in =
                |stock: &BTreeMap<StockKey, i32>| stock.get(&demand.stock).copied().unwrap_or(0);
            let available_qty = units_in(available) - units_in(&granted);
            let limit = demand.limited().map(|(pair, limit)| {
                let units_of = |bought: &Bought| bought.get(&pair).copied().unwrap_or(0);
                LimitReached {
                    limit_qty: limit.qty,
                    bought_qty: units_of(bought) + units_of(&granted_to),
                }
            });
            demand.outcome(available_qty, limit)
        });
        for demand in &bid.demands {
            let qty = demand.reserved_qty(outcomes[&demand.stock.product_id]);
            if qty > 0 {
                *granted.entry(demand.stock).or_insert(0) += qty;
                if let Some((pair, _)) = demand.limited() {
                    *granted_to.entry(pair).or_insert(0) += i64::from(qty);
                }
            }
        }
        outcomes
    });
    Allocation {
        outcomes: outcomes.collect(),
        granted,
    }
}

/// The purchases that must be counted to serve these bids; none if no product has a purchase limit.
pub fn purchases_to_count(bids: &[Bid]) -> Windows {
    let demands = bids.iter().flat_map(|bid| &bid.demands);
    let limited = demands.filter_map(Demand::limited);
    limited.map(|(pair, limit)| (pair, limit.since)).collect()
}

impl Bid {
    /// The outcomes, given the outcome of each demand on its own.
    fn outcomes(&self, alone: impl Fn(&Demand) -> ReservationOutcome) -> BidOutcomes {
        let demands = self.demands.iter();
        let alone: Vec<_> = demands.map(|demand| (demand, alone(demand))).collect();
        let short: BTreeSet<_> = alone
            .iter()
            .filter(|(_, outcome)| *outcome != ReservationOutcome::Reserved)
            .map(|(demand, _)| demand.stock.vendor_store_id)
            .collect();
        let is_withheld = |demand: &Demand| match self.policy {
            ShortagePolicy::RejectLine | ShortagePolicy::Fill => false,
            ShortagePolicy::RejectVendor => short.contains(&demand.stock.vendor_store_id),
            ShortagePolicy::AllOrNothing => !self.is_complete || !short.is_empty(),
        };
        let together = alone.into_iter().map(|(demand, outcome)| {
            let outcome = match outcome {
                ReservationOutcome::Reserved if is_withheld(demand) => ReservationOutcome::Withheld,
                outcome => outcome,
            };
            (demand.stock.product_id, outcome)
        });
        together.collect()
    }
}

impl Demand {
    /// The purchase limit, with the pair whose purchases it counts.
    pub(super) fn limited(&self) -> Option<(BuyerProduct, DemandLimit)> {
        self.limit.map(|limit| {
            let pair = BuyerProduct {
                buyer_store_id: limit.buyer_store_id,
                stock: self.stock,
            };
            (pair, limit)
        })
    }

    /// The outcome of the demand on its own. If the limit and the stock leave equally few, the limit is the
    /// reason: more stock would not help.
    fn outcome(&self, available_qty: i32, limit: Option<LimitReached>) -> ReservationOutcome {
        let binding = limit.filter(|limit| {
            let left_qty = limit.left_qty();
            left_qty < self.qty && left_qty <= available_qty
        });
        if let Some(limit) = binding {
            return if limit.left_qty() >= self.qty_min {
                ReservationOutcome::FilledToLimit(limit)
            } else {
                ReservationOutcome::LimitReached(limit)
            };
        }
        if available_qty >= self.qty {
            ReservationOutcome::Reserved
        } else if available_qty >= self.qty_min {
            ReservationOutcome::Filled { available_qty }
        } else {
            ReservationOutcome::Insufficient { available_qty }
        }
    }

    /// The units that an outcome reserves.
    pub(super) fn reserved_qty(&self, outcome: ReservationOutcome) -> i32 {
        match outcome {
            ReservationOutcome::Reserved => self.qty,
            ReservationOutcome::Filled { available_qty } => available_qty,
            ReservationOutcome::FilledToLimit(limit) => limit.left_qty(),
            ReservationOutcome::Insufficient { .. }
            | ReservationOutcome::LimitReached(_)
            | ReservationOutcome::Withheld => 0,
        }
    }
}
