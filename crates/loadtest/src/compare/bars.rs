//! The bars of the design, and the figures of rounds beside them. Pure.

use clap::ValueEnum;
use serde::Serialize;

use crate::compare::{figures::Round, median::least_middle_greatest, steps::Step};

/// The figures of a round that a bar can ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Bar {
    /// Spread load against the textbook
    Spread,
    /// One hot product in every cart against spread load
    Hot,
    /// One client against the textbook over one connection
    OneClient,
    /// The slowest of 64 clients against the middle
    Tail,
    /// 5,000 buyers of 100 units
    Crowd,
    /// PUT and GET /cart against the checkout
    Carts,
    /// 100,000 vendors and 1,000,000 products
    Catalogue,
    /// Twice what it can do
    Overload,
}

impl Bar {
    /// The steps that have to be measured for the bar.
    pub const fn steps(self) -> &'static [Step] {
        match self {
            Self::Spread => &[Step::TextbookSpread, Step::Unbatched, Step::Spread],
            Self::Hot => &[
                Step::Spread,
                Step::Hot,
                Step::TextbookSpread,
                Step::TextbookHot,
            ],
            Self::OneClient => &[Step::TextbookOne, Step::One],
            Self::Tail => &[Step::Spread],
            Self::Crowd => &[Step::Crowd],
            Self::Carts => &[Step::Spread, Step::CartPut, Step::CartGet],
            Self::Catalogue => &[Step::Spread, Step::Large],
            Self::Overload => &[Step::Spread, Step::Overload],
        }
    }
}

/// The requirement of the design on a figure.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Asked {
    AtLeast(f64),
    AtMost(f64),
    /// In every round.
    Exactly(u32),
    /// A figure without a bar, which helps to understand the others.
    Nothing,
}

/// The figure that is held against the bar. Ratios vary with the load of the machine; a promise holds
/// always or not at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Judged {
    Median,
    Worst,
}

struct Definition {
    bar: Bar,
    what: &'static str,
    asked: Asked,
    judged: Judged,
    value: fn(&Round) -> Option<f64>,
}

/// A figure beside its bar.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Row {
    pub bar: Bar,
    pub what: &'static str,
    pub asked: Asked,
    pub judged: Judged,
    pub least: f64,
    pub median: f64,
    pub greatest: f64,
    /// None where nothing is asked.
    pub met: Option<bool>,
}

/// A row for everything that the rounds have measured.
pub fn rows(rounds: &[Round], bars: &[Bar]) -> Vec<Row> {
    let wanted = DEFINITIONS.iter().filter(|it| bars.contains(&it.bar));
    wanted
        .filter_map(|definition| definition.row(rounds))
        .collect()
}

impl Definition {
    fn row(&self, rounds: &[Round]) -> Option<Row> {
        let values: Vec<_> = rounds.iter().filter_map(self.value).collect();
        let [least, median, greatest] = least_middle_greatest(&values)?;
        let is_worst = self.judged == Judged::Worst;
        let met = match self.asked {
            Asked::AtLeast(bar) => Some(if is_worst { least } else { median } >= bar),
            Asked::AtMost(bar) => Some(if is_worst { greatest } else { median } <= bar),
            Asked::Exactly(bar) => {
                let is_it = |value: f64| value.total_cmp(&bar.into()).is_eq();
                Some(is_it(least) && is_it(greatest))
            }
            Asked::Nothing => None,
        };
        Some(Row {
            bar: self.bar,
            what: self.what,
            asked: self.asked,
            judged: self.judged,
            least,
            median,
            greatest,
            met,
        })
    }
}

const fn ratio(
    bar: Bar,
    what: &'static str,
    asked: Asked,
    value: fn(&Round) -> Option<f64>,
) -> Definition {
    Definition {
        bar,
        what,
        asked,
        judged: Judged::Median,
        value,
    }
}

const fn promise(
    bar: Bar,
    what: &'static str,
    asked: Asked,
    value: fn(&Round) -> Option<f64>,
) -> Definition {
    Definition {
        bar,
        what,
        asked,
        judged: Judged::Worst,
        value,
    }
}

const DEFINITIONS: &[Definition] = &[
    ratio(
        Bar::Spread,
        "spread: ours / textbook",
        Asked::AtLeast(3.0),
        |it| it.rates(Step::Spread, Step::TextbookSpread),
    ),
    ratio(
        Bar::Spread,
        "  with batch_max 1 / textbook",
        Asked::Nothing,
        |it| it.rates(Step::Unbatched, Step::TextbookSpread),
    ),
    ratio(
        Bar::Hot,
        "hot: ours / our spread",
        Asked::AtLeast(0.8),
        |it| it.rates(Step::Hot, Step::Spread),
    ),
    ratio(
        Bar::Hot,
        "  textbook hot / textbook spread",
        Asked::Nothing,
        |it| it.rates(Step::TextbookHot, Step::TextbookSpread),
    ),
    ratio(
        Bar::Hot,
        "  ours hot / textbook hot",
        Asked::Nothing,
        |it| it.rates(Step::Hot, Step::TextbookHot),
    ),
    ratio(
        Bar::OneClient,
        "one client: our p50 / textbook p50",
        Asked::AtMost(1.5),
        |it| Some(it.figure(Step::One)?.p50_ms / it.figure(Step::TextbookOne)?.p50_ms),
    ),
    ratio(
        Bar::Tail,
        "64 clients: p99 / p50",
        Asked::AtMost(4.0),
        |it| Some(it.figure(Step::Spread)?.p99_ms / it.figure(Step::Spread)?.p50_ms),
    ),
    promise(
        Bar::Crowd,
        "5,000 buyers of 100 units: s to the last answer",
        Asked::AtMost(5.0),
        |it| Some(it.crowd?.answered_within_s),
    ),
    promise(
        Bar::Crowd,
        "5,000 buyers of 100 units: buyers answered",
        Asked::Exactly(5000),
        |it| Some(it.crowd?.answered as f64),
    ),
    promise(
        Bar::Crowd,
        "5,000 buyers of 100 units: units sold",
        Asked::Exactly(100),
        |it| Some(it.crowd?.units_sold as f64),
    ),
    promise(Bar::Crowd, "  refusals on the way", Asked::Nothing, |it| {
        Some(it.crowd?.refusals as f64)
    }),
    ratio(
        Bar::Carts,
        "PUT /cart / checkout",
        Asked::AtLeast(1.0),
        |it| it.rates(Step::CartPut, Step::Spread),
    ),
    ratio(
        Bar::Carts,
        "GET /cart / checkout",
        Asked::AtLeast(1.0),
        |it| it.rates(Step::CartGet, Step::Spread),
    ),
    ratio(
        Bar::Catalogue,
        "spread: 100,000 vendors / 200 vendors",
        Asked::AtLeast(0.85),
        |it| it.rates(Step::Large, Step::Spread),
    ),
    promise(
        Bar::Catalogue,
        "100,000 vendors: the server's most memory, MB",
        Asked::AtMost(200.0),
        |it| it.large.as_ref()?.memory_mb,
    ),
    promise(
        Bar::Catalogue,
        "  live actors at that time",
        Asked::Nothing,
        |it| Some(it.large?.actors),
    ),
    promise(
        Bar::Catalogue,
        "100,000 vendors: actors left when idle",
        Asked::Exactly(0),
        |it| Some(it.put_away?.actors_left),
    ),
    ratio(
        Bar::Overload,
        "twice the rate: goodput / spread",
        Asked::AtLeast(0.9),
        |it| Some(it.overload?.goodput_per_second / it.figure(Step::Spread)?.per_second),
    ),
    ratio(
        Bar::Overload,
        "twice the rate: p99 of refusals, ms",
        Asked::AtMost(100.0),
        |it| it.overload?.refusal_p99_ms,
    ),
    ratio(
        Bar::Overload,
        "  p50 of the served, ms",
        Asked::Nothing,
        |it| Some(it.overload?.p50_ms),
    ),
    ratio(
        Bar::Overload,
        "twice the rate: s until all is as before",
        Asked::AtMost(2.0),
        |it| Some(it.overload?.recovered_after_s),
    ),
];
