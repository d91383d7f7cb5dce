//! The regression guard.

use crate::compare::{
    figures::{Figure, Round},
    floors::{Floors, STEPS, check, read},
    steps::Step,
};

/// All figures but the rates are the same.
fn round(textbook: f64, spread: f64, hot: f64) -> Round {
    let rates = [
        (Step::TextbookSpread, textbook),
        (Step::TextbookOne, textbook),
        (Step::Spread, spread),
        (Step::One, spread),
        (Step::Hot, hot),
        (Step::CartPut, 2.0 * spread),
        (Step::CartGet, 4.0 * spread),
    ];
    let figure = |(step, per_second): (Step, f64)| {
        let figure = Figure {
            per_second,
            p50_ms: 10.0,
            p99_ms: 20.0,
            max_ms: 30.0,
        };
        (step, figure)
    };
    Round {
        figures: rates.into_iter().map(figure).collect(),
        ..Round::default()
    }
}

fn recorded() -> Floors {
    read(include_str!("../../../floors.toml")).unwrap()
}

#[test]
fn every_guard_has_a_recorded_floor_and_every_floor_a_guard() {
    assert_eq!(
        recorded().len(),
        check(&[round(1.0, 5.0, 5.0)], &recorded()).unwrap().len()
    );
    let error = read("[hot_to_cold]\nat_least = 1.0").unwrap_err();
    assert!(error.to_string().contains("hot_to_cold"), "{error}");
    let error = read("[hot_to_spread]\nat_least = 1.0").unwrap_err();
    assert!(error.to_string().contains("has no floor"), "{error}");
}

#[test]
fn the_ratio_is_of_medians_so_that_one_bad_run_of_either_side_changes_nothing() {
    let rounds = [
        round(100.0, 500.0, 500.0),
        round(10.0, 500.0, 500.0),
        round(100.0, 50.0, 500.0),
    ];
    let findings = check(&rounds, &recorded()).unwrap();
    assert!((findings[0].measured - 5.0).abs() < 1e-9, "{findings:?}");
    assert_eq!(findings[0].complaint, None);
}

#[test]
fn a_ratio_below_its_floor_is_told_in_a_sentence() {
    let findings = check(&[round(100.0, 500.0, 50.0)], &recorded()).unwrap();
    let bad: Vec<_> = findings
        .iter()
        .filter_map(|it| it.complaint.as_ref())
        .collect();
    assert_eq!(bad.len(), 1, "{bad:?}");
    assert!(bad[0].starts_with("hot_to_spread is 0.10 and must be at least"));
    assert!(bad[0].contains("--only hot"), "{}", bad[0]);
}

#[test]
fn what_was_not_measured_is_an_error() {
    assert!(check(&[Round::default()], &recorded()).is_err());
}

#[test]
fn the_guard_measures_what_it_holds_against_floors() {
    let measured = round(100.0, 500.0, 500.0);
    let figures = measured.figures.keys().copied().collect::<Vec<_>>();
    let mut steps = STEPS.to_vec();
    steps.sort_unstable();
    assert_eq!(steps, figures);
}
