//! The plan of a comparison: its steps, rounds and times. Pure.

use std::collections::BTreeSet;

use crate::compare::{
    bars::Bar,
    floors,
    options::{Options, Times},
    steps::Step,
};

/// See the module.
pub(crate) struct Plan {
    pub(crate) steps: Vec<Step>,
    pub(crate) rounds: u32,
    pub(crate) times: Times,
}

impl Plan {
    /// The plan that the options ask for.
    pub(crate) fn of(options: &Options, bars: &[Bar]) -> Self {
        let rounds = options.rounds.unwrap_or(3);
        if options.check {
            return Self {
                steps: floors::STEPS.to_vec(),
                rounds,
                times: Times {
                    warmup_s: 1,
                    seconds: options.seconds.unwrap_or(2),
                },
            };
        }
        let steps: BTreeSet<_> = bars.iter().flat_map(|bar| bar.steps()).copied().collect();
        Self {
            steps: steps.into_iter().collect(),
            rounds,
            times: Times {
                warmup_s: 2,
                seconds: options.seconds.unwrap_or(10),
            },
        }
    }
}
