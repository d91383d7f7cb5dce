//! Store discounts: about half of the vendors have one or two codes, a few of which are over or
//! switched off.

use chrono::{DateTime, Days, Utc};
use rust_decimal::Decimal;

use splitcart::seed_ids::{Kind, row_id, vendor_store_id};

use super::{SeedPlan, dice::Dice};
use crate::db::bulk::StoreDiscountRow;

/// The most discounts of a vendor: the stride of their ids.
const PER_VENDOR_MAX: u32 = 2;

const PERCENTAGES: [(&str, &str); 6] = [
    ("SPRING", "Spring sale"),
    ("HARVEST", "Harvest special"),
    ("WELCOME", "Welcome offer"),
    ("BULK", "Bulk order"),
    ("LOYAL", "Returning customers"),
    ("GREEN", "Green week"),
];
const PERCENTS: [u32; 6] = [5, 8, 10, 10, 12, 15];

/// Dollars off, and from which subtotal on.
const FIXED: [(u32, u32); 4] = [(25, 250), (50, 500), (100, 1_200), (250, 4_000)];
const PERCENTAGE_MINIMUMS: [u32; 5] = [0, 100, 250, 500, 1_000];

/// The discounts of vendor `n`. If there are two, one is a percentage and one is fixed.
pub fn store_discounts(
    plan: &SeedPlan,
    n: u32,
    now: DateTime<Utc>,
) -> impl Iterator<Item = StoreDiscountRow> + use<> {
    let plan = *plan;
    let (mut dice, count) = count(&plan, n);
    let percentage_first = dice.below(3) < 2;
    (0..count).map(move |position| {
        let percentage = (position == 0) == percentage_first;
        let offer = if percentage {
            percentage_offer(&mut dice)
        } else {
            fixed_offer(&mut dice)
        };
        discount(&plan, n, position, offer, &mut dice, now)
    })
}

/// The number of discounts of vendor `n`.
pub(super) fn store_discount_count(plan: &SeedPlan, n: u32) -> u64 {
    count(plan, n).1.into()
}

struct Offer {
    kind: &'static str,
    code: String,
    title: String,
    value: Decimal,
    min_subtotal: Decimal,
}

fn count(plan: &SeedPlan, n: u32) -> (Dice, u32) {
    let mut dice = Dice::new(plan.seed, Kind::StoreDiscount, n.into());
    let count = if dice.one_in(2) {
        dice.between(1, PER_VENDOR_MAX)
    } else {
        0
    };
    (dice, count)
}

fn percentage_offer(dice: &mut Dice) -> Offer {
    let (word, title) = dice.pick(&PERCENTAGES);
    let percent = dice.pick(&PERCENTS);
    Offer {
        kind: "percentage",
        code: format!("{word}{percent}"),
        title: format!("{title}: {percent} % off"),
        value: Decimal::from(percent),
        min_subtotal: dollars(dice.pick(&PERCENTAGE_MINIMUMS)),
    }
}

fn fixed_offer(dice: &mut Dice) -> Offer {
    let (off, from) = dice.pick(&FIXED);
    Offer {
        kind: "fixed",
        code: format!("SAVE{off}"),
        title: format!("${off} off from ${from}"),
        value: dollars(off),
        min_subtotal: dollars(from),
    }
}

fn discount(
    plan: &SeedPlan,
    n: u32,
    position: u32,
    offer: Offer,
    dice: &mut Dice,
    now: DateTime<Utc>,
) -> StoreDiscountRow {
    let starts_at = now - days(dice, 15, 200);
    let ends_at = match dice.below(10) {
        0 => Some(now - days(dice, 1, 14)),
        1..=5 => Some(now + days(dice, 30, 300)),
        _ => None,
    };
    StoreDiscountRow {
        id: row_id(
            plan.seed,
            Kind::StoreDiscount,
            u64::from(n) * u64::from(PER_VENDOR_MAX) + u64::from(position),
        ),
        vendor_store_id: vendor_store_id(plan.seed, n),
        code: offer.code,
        title: offer.title,
        kind: offer.kind,
        value: offer.value,
        min_subtotal: offer.min_subtotal,
        starts_at,
        ends_at,
        is_active: !dice.one_in(15),
    }
}

fn dollars(amount: u32) -> Decimal {
    Decimal::new(i64::from(amount) * 100, 2)
}

fn days(dice: &mut Dice, least: u32, greatest: u32) -> Days {
    Days::new(dice.between(least, greatest).into())
}
