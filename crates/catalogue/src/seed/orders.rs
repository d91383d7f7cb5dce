//! Orders of the past in every state, of buyers 2 to 4 and of vendors that may always sell. Order `n` is in
//! state `(n - 1) % 7` of [`ALL`]. Buyer 1 has none, so that there is someone to begin with.
//!
//! They are too old to need the key of their checkout, and were moved when the seed was made. Those that wait
//! for a decision expire two days later, unless the service is told otherwise.

use chrono::{DateTime, TimeDelta, Utc};

use splitcart::{
    domain::{
        cart::CartLine,
        event::EventActor,
        ids::{BuyerStoreId, ProductId, StoreId, UserId, VendorStoreId},
        money::{Money, Percent},
        order_moves::{Decision, Move, Verdict},
        pricing::price_line,
        product::{Unit, VolumeTier},
    },
    seed_ids::{
        Kind, buyer_store_id, buyer_user_id, key, product_id, vendor_store_id, vendor_user_id,
    },
};

use super::{
    SeedPlan,
    goods::{product, volume_tiers},
    purchase::{PastIds, Purchase, Purchaser},
};

/// The most orders a plan may ask for.
pub const ORDERS_MAX: u32 = 10_000;

/// The number of buyers that have bought.
const BUYERS: u32 = 3;
/// The vendors that may always sell: the first ones.
const VENDORS: u32 = 19;
const AGE: TimeDelta = TimeDelta::days(8);
const AGE_OF_EXPIRED: TimeDelta = TimeDelta::days(11);

/// The state of an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    CreatedPending,
    Accepted,
    PartiallyAccepted,
    Rejected,
    Fulfilled,
    Canceled,
    Expired,
}

const ALL: [State; 7] = [
    State::CreatedPending,
    State::Accepted,
    State::PartiallyAccepted,
    State::Rejected,
    State::Fulfilled,
    State::Canceled,
    State::Expired,
];

/// The purchases, each of one order with two lines, or one if the vendor has no second product.
pub fn purchases(plan: &SeedPlan, now: DateTime<Utc>) -> Vec<Purchase> {
    let mut ids = PastIds::new(key(plan.seed, Kind::BuyerStore, 0));
    let purchases = (1..=plan.orders).map(|n| purchase(plan, n, now, &mut ids));
    purchases.collect()
}

/// The first product of order `n`; the second one is the vendor's next. No two orders share a product.
pub(super) fn first_product(plan: &SeedPlan, n: u32) -> u64 {
    let (vendor, round) = (vendor_of(plan, n), (n - 1) / VENDORS.min(plan.vendors));
    u64::from(vendor) + 2 * u64::from(round) * u64::from(plan.vendors)
}

fn vendor_of(plan: &SeedPlan, n: u32) -> u32 {
    (n - 1) % VENDORS.min(plan.vendors) + 1
}

fn purchase(plan: &SeedPlan, n: u32, now: DateTime<Utc>, ids: &mut PastIds) -> Purchase {
    let buyer = match plan.buyers {
        1 => 1,
        buyers => (n - 1) % BUYERS.min(buyers - 1) + 2,
    };
    let vendor = vendor_of(plan, n);
    let purchaser = Purchaser {
        store_id: BuyerStoreId::new(buyer_store_id(plan.seed, buyer)),
        user_id: UserId::new(buyer_user_id(plan.seed, buyer)),
    };
    let first = first_product(plan, n);
    let products = [first, first + u64::from(plan.vendors)];
    let products = products.into_iter().filter_map(|it| u32::try_from(it).ok());
    let products = products.filter(|it| *it <= plan.products);
    let lines = products.map(|it| cart_line(plan, it)).collect();
    let state = ALL[(n - 1) as usize % ALL.len()];
    let age = match state {
        State::Expired => AGE_OF_EXPIRED,
        _ => AGE,
    };
    // The last one is the youngest.
    let at = now - age - TimeDelta::minutes((plan.orders - n).into());
    let mut purchase = Purchase::of(purchaser, lines, at, ids);
    purchase.announce(ids);
    let by_buyer = EventActor {
        user_id: purchaser.user_id,
        store_id: StoreId::new(purchaser.store_id.uuid()),
    };
    let by_vendor = EventActor {
        user_id: UserId::new(vendor_user_id(plan.seed, vendor)),
        store_id: StoreId::new(vendor_store_id(plan.seed, vendor)),
    };
    for order_move in moves(state, &purchase) {
        let actor = match order_move {
            Move::Decide(_) | Move::Fulfil => Some(by_vendor),
            Move::Cancel { .. } => Some(by_buyer),
            Move::Expire => None,
        };
        purchase.make(&order_move, actor, now, ids);
    }
    purchase
}

/// The moves that lead to a state.
fn moves(state: State, purchase: &Purchase) -> Vec<Move> {
    let accept = || Move::Decide(Decision::AllPending(Verdict::Accept));
    let reject = || Verdict::Reject { note: None };
    match state {
        State::CreatedPending => Vec::new(),
        State::Accepted => vec![accept()],
        State::PartiallyAccepted => {
            let lines = &purchase.orders()[0].lines;
            let last = lines.last().filter(|_| lines.len() > 1);
            let rejected = last.map(|line| (line.id, reject()));
            let verdicts = rejected.map(|verdict| Move::Decide(Decision::Lines(vec![verdict])));
            verdicts.into_iter().chain([accept()]).collect()
        }
        State::Rejected => vec![Move::Decide(Decision::AllPending(reject()))],
        State::Fulfilled => vec![accept(), Move::Fulfil],
        State::Canceled => vec![accept(), Move::Cancel { note: None }],
        State::Expired => vec![Move::Expire],
    }
}

/// A line of the least quantity that is sold at once.
fn cart_line(plan: &SeedPlan, n: u32) -> CartLine {
    let row = product(plan, n);
    let tiers: Vec<_> = volume_tiers(plan, n)
        .map(|tier| VolumeTier {
            min_qty: tier.min_qty,
            discount_percent: Percent::new(tier.discount_percent),
        })
        .collect();
    CartLine {
        product_id: ProductId::new(product_id(plan.seed, n)),
        vendor_store_id: VendorStoreId::new(row.vendor_store_id),
        sku: row.sku,
        title: row.title,
        unit: unit(row.unit),
        image_url: None,
        qty: row.moq,
        moq: row.moq,
        max_qty: row.max_qty,
        price: price_line(Money::rounded(row.price), &tiers, row.moq),
    }
}

fn unit(word: &str) -> Unit {
    match word {
        "unit" => Unit::Unit,
        "gram" => Unit::Gram,
        "ounce" => Unit::Ounce,
        "pound" => Unit::Pound,
        "eighth" => Unit::Eighth,
        "sixteenth" => Unit::Sixteenth,
        other => unreachable!("the seed has no unit {other}"),
    }
}
