//! Ratios, bars, and which round decides.

use std::collections::BTreeMap;

use crate::compare::{
    bars::{Bar, rows},
    figures::{Crowd, Figure, Round},
    median::{least_middle_greatest, median},
    steps::Step,
};

fn figure(per_second: f64) -> Figure {
    Figure {
        per_second,
        p50_ms: 1.0,
        p99_ms: 2.0,
        max_ms: 3.0,
    }
}

fn round(textbook: f64, ours: f64) -> Round {
    Round {
        figures: BTreeMap::from([
            (Step::TextbookSpread, figure(textbook)),
            (Step::Spread, figure(ours)),
        ]),
        ..Round::default()
    }
}

#[test]
fn ratios_are_taken_within_a_round_and_their_median_is_held_against_the_bar() {
    let rounds = [round(100.0, 350.0), round(200.0, 500.0), round(50.0, 400.0)];
    let rows = rows(&rounds, &[Bar::Spread]);
    assert_eq!(rows.len(), 1, "what was not measured has no row");
    let row = rows[0];
    assert_eq!(
        format!("{} {} {}", row.least, row.median, row.greatest),
        "2.5 3.5 8"
    );
    assert_eq!(row.met, Some(true));
}

#[test]
fn a_promise_is_broken_by_one_round() {
    let crowd = |answered_within_s, units_sold| Round {
        crowd: Some(Crowd {
            answered: 5000,
            answered_within_s,
            units_sold,
            refusals: 0,
        }),
        ..Round::default()
    };
    let met = |rounds: &[Round]| -> Vec<_> {
        let rows = rows(rounds, &[Bar::Crowd]);
        rows.iter().filter_map(|row| row.met).collect()
    };
    assert_eq!(met(&[crowd(2.0, 100), crowd(4.9, 100)]), [true, true, true]);
    assert_eq!(
        met(&[crowd(2.0, 100), crowd(5.1, 101)]),
        [false, true, false]
    );
}

#[test]
fn the_middle_of_an_even_number_lies_between_two() {
    assert_eq!(least_middle_greatest(&[]), None);
    assert_eq!(median(&[3.0]), Some(3.0));
    assert_eq!(
        least_middle_greatest(&[4.0, 1.0, 9.0]),
        Some([1.0, 4.0, 9.0])
    );
    assert_eq!(median(&[4.0, 1.0, 9.0, 2.0]), Some(3.0));
}
