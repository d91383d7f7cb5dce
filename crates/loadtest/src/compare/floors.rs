//! The regression guard's ratios and the floors they must not fall below. Pure.

use std::collections::BTreeMap;

use anyhow::{Context, ensure};
use serde::{Deserialize, Serialize};

use crate::{
    bench,
    compare::{bars::Bar, figures::Round, median::median, steps::Step},
};

/// The recorded limit of a ratio; one of the two is given.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Floor {
    at_least: Option<f64>,
    at_most: Option<f64>,
}

/// By the guards' keys.
pub type Floors = BTreeMap<String, Floor>;

/// Of a figure.
#[derive(Clone, Copy, Debug)]
enum Part {
    Rate,
    P50,
    P99,
}

struct Guard {
    key: &'static str,
    /// Completes "it means that".
    means: &'static str,
    /// The bar that shows the ratio at length.
    bar: Bar,
    above: (Step, Part),
    below: (Step, Part),
}

/// A ratio held against its floor.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Finding {
    pub key: &'static str,
    pub measured: f64,
    pub at_least: Option<f64>,
    pub at_most: Option<f64>,
    /// A description of the problem and what to do; none if there is none.
    pub complaint: Option<String>,
}

/// The steps that the guards need: fewer than the bars do, because the check must be cheap.
pub const STEPS: &[Step] = &[
    Step::TextbookSpread,
    Step::Spread,
    Step::Hot,
    Step::CartPut,
    Step::CartGet,
    Step::TextbookOne,
    Step::One,
];

/// Reads `floors.toml`.
pub fn read(text: &str) -> anyhow::Result<Floors> {
    let keys: Vec<_> = GUARDS.iter().map(|guard| guard.key).collect();
    let floors: Floors = bench::floors::read(text, &keys, "ratio")?;
    for (key, floor) in &floors {
        ensure!(
            floor.at_least.is_some() != floor.at_most.is_some(),
            "{key} must have either at_least or at_most"
        );
    }
    Ok(floors)
}

/// Holds the medians of the rounds against the floors.
pub fn check(rounds: &[Round], floors: &Floors) -> anyhow::Result<Vec<Finding>> {
    let findings = GUARDS.iter().map(|guard| guard.check(rounds, floors));
    findings.collect()
}

impl Guard {
    fn check(&self, rounds: &[Round], floors: &Floors) -> anyhow::Result<Finding> {
        let key = self.key;
        let of = |(step, part): (Step, Part)| {
            let figures = rounds.iter().filter_map(|round| round.figure(step));
            let values: Vec<_> = figures
                .map(|figure| match part {
                    Part::Rate => figure.per_second,
                    Part::P50 => figure.p50_ms,
                    Part::P99 => figure.p99_ms,
                })
                .collect();
            median(&values).with_context(|| format!("{key} was not measured"))
        };
        let measured = of(self.above)? / of(self.below)?;
        let floor = floors
            .get(key)
            .with_context(|| format!("{key} has no floor"))?;
        let side = match (floor.at_least, floor.at_most) {
            (Some(bar), _) if measured < bar => Some(("least", bar)),
            (_, Some(bar)) if measured > bar => Some(("most", bar)),
            _ => None,
        };
        Ok(Finding {
            key,
            measured,
            at_least: floor.at_least,
            at_most: floor.at_most,
            complaint: side.map(|(side, bar)| self.complaint(measured, side, bar)),
        })
    }

    fn complaint(&self, measured: f64, side: &str, bar: f64) -> String {
        let bar_name = clap::ValueEnum::to_possible_value(&self.bar);
        let bar_name = bar_name.map_or_else(String::new, |it| it.get_name().to_owned());
        format!(
            "{} is {measured:.2} and must be at {side} {bar:.2}: it means that {}. Run it again on a \
             machine that does nothing else; if it stays, `make bench-compare ARGS='--quick --only \
             {bar_name}'` shows it at length. A change that costs this on purpose changes \
             crates/loadtest/floors.toml and says why there.",
            self.key, self.means
        )
    }
}

const GUARDS: &[Guard] = &[
    Guard {
        key: "spread_to_textbook",
        means: "a checkout costs more than it did, next to plain transactions of the same rows",
        bar: Bar::Spread,
        above: (Step::Spread, Part::Rate),
        below: (Step::TextbookSpread, Part::Rate),
    },
    Guard {
        key: "hot_to_spread",
        means: "a hot product costs more than it did",
        bar: Bar::Hot,
        above: (Step::Hot, Part::Rate),
        below: (Step::Spread, Part::Rate),
    },
    Guard {
        key: "p99_to_p50",
        means: "some checkouts wait longer than others, more than they did",
        bar: Bar::Tail,
        above: (Step::Spread, Part::P99),
        below: (Step::Spread, Part::P50),
    },
    Guard {
        key: "one_client_to_textbook",
        means: "a checkout alone takes longer than it did: a round trip more, or a wait",
        bar: Bar::OneClient,
        above: (Step::One, Part::P50),
        below: (Step::TextbookOne, Part::P50),
    },
    Guard {
        key: "cart_put_to_checkout",
        means: "PUT /cart costs more than it did",
        bar: Bar::Carts,
        above: (Step::CartPut, Part::Rate),
        below: (Step::Spread, Part::Rate),
    },
    Guard {
        key: "cart_get_to_checkout",
        means: "GET /cart costs more than it did",
        bar: Bar::Carts,
        above: (Step::CartGet, Part::Rate),
        below: (Step::Spread, Part::Rate),
    },
];
