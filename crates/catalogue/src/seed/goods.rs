//! Products, their volume tiers and how much of them is in stock.

use rust_decimal::Decimal;

use splitcart::seed_ids::{Kind, product_id, row_id, vendor_store_id};

use super::{
    SeedPlan,
    dice::Dice,
    lines::{self, Line},
    stores,
};
use crate::db::bulk::{BuyerLimit, InventoryItemRow, ProductRow, VolumeTierRow};

/// The stride of the tiers' ids: a power of two above the most tiers that a product has.
const TIER_STRIDE: u64 = 4;

/// Tenths of a percent: where the first tier starts, and what each further one adds.
const FIRST_PERCENTS: [u32; 9] = [20, 25, 30, 35, 40, 45, 50, 55, 60];
const FURTHER_PERCENTS: [u32; 7] = [15, 20, 25, 30, 35, 42, 50];

/// The product with a purchase limit: five times its MOQ within 30 days. Vendor 13 may always sell.
pub const LIMITED_PRODUCT: u32 = 13;

/// Product `n`.
pub fn product(plan: &SeedPlan, n: u32) -> ProductRow {
    let (terms, mut dice) = terms(plan, n);
    let line = terms.line;
    ProductRow {
        id: product_id(plan.seed, n),
        vendor_store_id: vendor_store_id(plan.seed, plan.vendor_of_product(n)),
        sku: format!("{}-{n:06}", line.code),
        title: format!("{} {}", dice.pick(line.names), line.form),
        category: line.category,
        unit: line.unit,
        price: price(&mut dice, line.cents),
        moq: terms.moq,
        max_qty: terms.max_qty,
        buyer_limit: (n == LIMITED_PRODUCT).then(|| BuyerLimit {
            qty: 5 * terms.moq,
            days: 30,
        }),
    }
}

/// The volume tiers of product `n`, none for two thirds of all. They ascend in quantity and
/// percent, start above the MOQ and stay within the greatest quantity.
pub fn volume_tiers(plan: &SeedPlan, n: u32) -> impl Iterator<Item = VolumeTierRow> + use<> {
    let seed = plan.seed;
    let (mut dice, tiers) = tiers(plan, n);
    let mut tenths = 0;
    tiers.enumerate().map(move |(position, min_qty)| {
        tenths += dice.pick(if position == 0 {
            &FIRST_PERCENTS[..]
        } else {
            &FURTHER_PERCENTS[..]
        });
        VolumeTierRow {
            id: row_id(
                seed,
                Kind::VolumeTier,
                u64::from(n) * TIER_STRIDE + position as u64,
            ),
            product_id: product_id(seed, n),
            min_qty,
            discount_percent: Decimal::new(tenths.into(), 1),
        }
    })
}

/// The number of volume tiers of product `n`.
pub(super) fn volume_tier_count(plan: &SeedPlan, n: u32) -> u64 {
    tiers(plan, n).1.count() as u64
}

/// The stock of product `n` before anything is reserved.
pub fn inventory_item(plan: &SeedPlan, n: u32) -> InventoryItemRow {
    let (terms, _) = terms(plan, n);
    let (least, greatest) = terms.line.stock;
    let mut dice = Dice::new(plan.seed, Kind::Inventory, n.into());
    // The lesser of two: much of little and little of much, as in a warehouse.
    let rolled = dice
        .between(least, greatest)
        .min(dice.between(least, greatest));
    let available_qty = quantity(rolled);
    InventoryItemRow {
        product_id: product_id(plan.seed, n),
        vendor_store_id: vendor_store_id(plan.seed, plan.vendor_of_product(n)),
        available_qty,
        reserved_qty: 0,
        fulfilled_qty: 0,
        low_stock_threshold: available_qty / 20,
    }
}

/// The facts about a product that other rows need; cheap to make again.
struct Terms {
    line: &'static Line,
    moq: i32,
    max_qty: Option<i32>,
}

fn terms(plan: &SeedPlan, n: u32) -> (Terms, Dice) {
    let trade = stores::trade(plan, plan.vendor_of_product(n));
    let mut dice = Dice::new(plan.seed, Kind::Product, n.into());
    let line = lines::roll(&mut dice, trade);
    let moq = dice.pick(line.moqs);
    let max_qty = dice
        .one_in(4)
        .then(|| (moq * dice.pick(&[10, 20, 40])).max(50));
    (Terms { line, moq, max_qty }, dice)
}

/// The least quantities of the tiers of product `n`, and the dice for the rest.
fn tiers(plan: &SeedPlan, n: u32) -> (Dice, impl Iterator<Item = i32> + use<>) {
    let mut dice = Dice::new(plan.seed, Kind::VolumeTier, n.into());
    let count = if dice.one_in(3) {
        dice.between(1, 3)
    } else {
        0
    };
    let (terms, _) = terms(plan, n);
    // Two to four times the MOQ, up to the next 10: at most 100, and never above a cap.
    let first = (terms.moq * quantity(dice.between(2, 4)) + 9) / 10 * 10;
    let cap = terms.max_qty.unwrap_or(i32::MAX);
    let quantities = [first, first * 5 / 2, first * 5]
        .into_iter()
        .take(count as usize)
        .take_while(move |min_qty| *min_qty <= cap);
    (dice, quantities)
}

/// A price as in a price list: the higher, the rounder.
fn price(dice: &mut Dice, (least, greatest): (u32, u32)) -> Decimal {
    let step = match greatest {
        0..=1_500 => 5,
        1_501..=5_000 => 25,
        5_001..=40_000 => 250,
        _ => 2_500,
    };
    let cents = dice.between(least / step, greatest / step) * step;
    Decimal::new(cents.into(), 2)
}

fn quantity(rolled: u32) -> i32 {
    i32::try_from(rolled).expect("the quantities of the seed are small")
}
