//! The products of the seed: one entry per kind of product, with prices, quantities and stock that fit its
//! unit.

use super::{
    dice::Dice,
    stores::Trade,
    words::{FLAVOURS, STRAINS},
};

/// A kind of product. Amounts are of one unit, prices in cents.
pub(super) struct Line {
    /// The start of its SKUs.
    pub(super) code: &'static str,
    pub(super) category: &'static str,
    /// The words that a title starts with.
    pub(super) names: &'static [&'static str],
    /// The words that a title ends with.
    pub(super) form: &'static str,
    pub(super) unit: &'static str,
    pub(super) cents: (u32, u32),
    pub(super) moqs: &'static [i32],
    pub(super) stock: (u32, u32),
}

/// Products that grow: growers sell them.
#[rustfmt::skip]
static GROWN: [Line; 7] = [
    grown("FL8", "Flower 3.5 g", "eighth", (900, 2_400), &[4, 8, 10, 16, 20], (600, 6_000)),
    grown("FLZ", "Flower", "ounce", (6_000, 16_000), &[1, 2, 4, 5, 10], (400, 2_500)),
    grown("FLB", "Bulk Flower", "pound", (70_000, 180_000), &[1, 1, 2, 5], (250, 1_200)),
    grown("FLG", "Deli Flower", "gram", (300, 800), &[10, 14, 20, 25], (2_000, 9_000)),
    grown("FLS", "Flower 1.75 g", "sixteenth", (500, 1_300), &[8, 10, 16, 25], (500, 5_000)),
    grown("SML", "Smalls", "pound", (40_000, 90_000), &[1, 1, 2, 3], (250, 1_500)),
    Line {
        category: "clones",
        ..grown("CLN", "Rooted Clone", "unit", (500, 1_500), &[5, 10, 12, 24], (300, 2_000))
    },
];

/// Products that are made: producers sell them.
#[rustfmt::skip]
static MADE: [Line; 16] = [
    rolled("PR1", "Pre-Roll 1 g", (250, 600), &[10, 20, 25], (1_000, 9_000)),
    rolled("PR5", "Pre-Roll 5-Pack", (1_000, 2_200), &[5, 10, 20], (500, 5_000)),
    rolled("PRI", "Infused Pre-Roll 1.2 g", (600, 1_400), &[10, 12, 25], (500, 5_000)),
    flavoured("EGM", "edibles", "Gummies 10 x 10 mg", (500, 1_200), &[6, 10, 12, 24], (800, 8_000)),
    flavoured("ECH", "edibles", "Chocolate Bar 100 mg", (600, 1_400), &[6, 12, 20], (500, 5_000)),
    flavoured("EHC", "edibles", "Hard Candy 20 x 5 mg", (450, 1_000), &[6, 12, 24], (500, 6_000)),
    flavoured("BEV", "beverages", "Seltzer 10 mg, 4-Pack", (800, 1_600), &[4, 6, 12], (400, 4_000)),
    flavoured("TNC", "tinctures", "Tincture 30 ml", (1_000, 2_400), &[4, 6, 12], (300, 3_000)),
    flavoured("TPC", "topicals", "Balm 60 ml", (900, 2_200), &[4, 6, 12], (300, 3_000)),
    plant("VC5", "vapes", "Vape Cartridge 0.5 g", "unit", (700, 1_500), &[5, 10, 25], (800, 7_000)),
    plant("VC1", "vapes", "Vape Cartridge 1 g", "unit", (1_100, 2_400), &[5, 10, 20], (800, 6_000)),
    plant("VDS", "vapes", "Disposable Vape 1 g", "unit", (1_200, 2_600), &[5, 10], (500, 4_000)),
    plant("CLR", "concentrates", "Live Resin", "gram", (900, 2_200), &[5, 7, 10, 14], (500, 4_000)),
    plant("CRO", "concentrates", "Live Rosin", "gram", (1_800, 4_000), &[1, 5, 7], (300, 2_500)),
    plant("CBA", "concentrates", "Badder", "gram", (700, 1_800), &[5, 10, 14, 20], (500, 4_000)),
    plant("CSH", "concentrates", "Shatter", "ounce", (12_000, 32_000), &[1, 1, 2, 4], (250, 1_200)),
];

/// A line that fits the trade; a distributor sells what grows and what is made.
pub(super) fn roll(dice: &mut Dice, trade: Trade) -> &'static Line {
    let grown = match trade {
        Trade::Grower => true,
        Trade::Producer => false,
        Trade::Distributor => dice.one_in(2),
    };
    let lines: &'static [Line] = if grown { &GROWN } else { &MADE };
    dice.pick_from(lines)
}

const fn grown(
    code: &'static str,
    form: &'static str,
    unit: &'static str,
    cents: (u32, u32),
    moqs: &'static [i32],
    stock: (u32, u32),
) -> Line {
    plant(code, "flower", form, unit, cents, moqs, stock)
}

const fn rolled(
    code: &'static str,
    form: &'static str,
    cents: (u32, u32),
    moqs: &'static [i32],
    stock: (u32, u32),
) -> Line {
    plant(code, "pre-rolls", form, "unit", cents, moqs, stock)
}

const fn flavoured(
    code: &'static str,
    category: &'static str,
    form: &'static str,
    cents: (u32, u32),
    moqs: &'static [i32],
    stock: (u32, u32),
) -> Line {
    Line {
        names: &FLAVOURS,
        ..plant(code, category, form, "unit", cents, moqs, stock)
    }
}

/// Products named after the plant that they come from.
const fn plant(
    code: &'static str,
    category: &'static str,
    form: &'static str,
    unit: &'static str,
    cents: (u32, u32),
    moqs: &'static [i32],
    stock: (u32, u32),
) -> Line {
    Line {
        code,
        category,
        names: &STRAINS,
        form,
        unit,
        cents,
        moqs,
        stock,
    }
}
