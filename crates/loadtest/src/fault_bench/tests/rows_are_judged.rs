//! Bars and floors.

use clap::ValueEnum;

use crate::fault_bench::{
    floors::{self, Verdict},
    judge::{Figures, Found, Measured, judge},
    record::Answers,
    rows::Row,
};

const FLOORS: &str = include_str!("../../../fault_floors.toml");

/// Of a row whose fault has cost nothing.
fn measured(row: Row) -> Measured {
    let figures = Figures {
        per_second: 1_000.0,
        p50_ms: 10.0,
        p99_ms: 20.0,
    };
    Measured {
        row,
        bars: row.bars(),
        before: figures,
        during: figures,
        share: 1.0,
        p99_times: 1.0,
        back_s: Some(0.0),
        slow_share: 0.9,
        back_to_slow_s: Some(0.0),
        looked_for_s: 4.0,
        others_refused: Answers::new(),
        others_refusals: None,
        in_need_came: 10,
        in_need_bought: 10,
        in_need_refused: Answers::new(),
        in_need_refusals: None,
        answers: None,
        refusals: None,
        per_100_ms: Vec::new(),
        quiet_steps: 0,
        found: Found {
            is_proven: true,
            ..Found::default()
        },
        complaints: Vec::new(),
        is_met: false,
    }
}

#[test]
fn a_fault_that_costs_nothing_meets_every_row() {
    for row in Row::value_variants() {
        let judged = judge(measured(*row));
        assert!(judged.is_met, "{}: {:?}", row.key(), judged.complaints);
    }
}

#[test]
fn a_row_whose_fault_is_not_shown_to_have_struck_is_not_met_whatever_its_figures_are() {
    for row in Row::value_variants() {
        let mut measured = measured(*row);
        measured.found.is_proven = false;
        let judged = judge(measured);
        assert_eq!(judged.complaints, ["not struck"]);
        assert!(!judged.is_met);
    }
}

#[test]
fn each_figure_below_its_bar_is_told() {
    let mut row = measured(Row::RowLock);
    row.share = 0.01;
    row.p99_times = 40.0;
    row.back_s = None;
    row.in_need_bought = 3;
    row.found.undecided = 2;
    row.found.lost_or_doubled = Some(-1);
    let judged = judge(row);
    assert_eq!(judged.complaints.len(), 6, "{:?}", judged.complaints);
    assert!(judged.complaints.iter().any(|it| it.contains("1 % share")));
}

/// Of a row whose fault stops everybody.
fn stopped(row: Row) -> Measured {
    Measured {
        share: 0.05,
        ..measured(row)
    }
}

fn verdict(rows: &[Measured]) -> Verdict {
    floors::check(rows, &floors::read(FLOORS).unwrap())
}

#[test]
fn every_guarded_row_has_a_floor_and_a_fault_that_stops_everybody_falls_below_all() {
    let floors = floors::read(FLOORS).unwrap();
    for row in Row::value_variants().iter().filter(|row| row.is_guarded()) {
        assert!(verdict(&[measured(*row)]).complaints.is_empty());
        assert!(floors::to_repeat(&[measured(*row)], &floors).is_empty());
        let Verdict { complaints, .. } = verdict(&[stopped(*row)]);
        assert_eq!(complaints.len(), 1, "{complaints:?}");
        assert!(complaints[0].starts_with(&row.key()));
        assert_eq!(floors::to_repeat(&[stopped(*row)], &floors), [*row]);
    }
}

#[test]
fn a_row_that_is_below_its_floor_twice_fails_and_both_readings_are_told() {
    let mut slow = measured(Row::KeyRow);
    slow.back_to_slow_s = None;
    let verdict = verdict(&[stopped(Row::KeyRow), measured(Row::RowLock), slow]);
    assert!(verdict.once.is_empty());
    let [first, second] = &verdict.complaints[..] else {
        panic!("{verdict:?}");
    };
    assert!(first.starts_with("key-row: at first, 5 %"), "{first}");
    assert!(second.starts_with("key-row: again, "), "{second}");
    assert!(second.contains("not back at 90 %"), "{second}");
}

#[test]
fn a_row_that_is_below_its_floor_once_does_not_fail_and_is_told() {
    let verdict = verdict(&[stopped(Row::KeyRow), measured(Row::KeyRow)]);
    assert!(verdict.complaints.is_empty(), "{verdict:?}");
    assert_eq!(verdict.once.len(), 1);
    assert!(verdict.once[0].starts_with("key-row: at first, 5 %"));
}

#[test]
fn data_that_are_wrong_once_fail_and_no_second_reading_helps() {
    let mut wrong = stopped(Row::KeyRow);
    wrong.found.lost_or_doubled = Some(-1);
    let verdict = verdict(&[wrong, measured(Row::KeyRow)]);
    assert_eq!(verdict.complaints.len(), 1, "{verdict:?}");
    assert!(verdict.complaints[0].contains("-1 checkouts"));
}

#[test]
fn a_floor_of_an_unknown_row_and_a_row_without_one_are_refused() {
    let unknown = format!("{FLOORS}\n[crowd]\nshare = 0.5\np99_times = 5.0\nback_s = 1.0\n");
    let refused = floors::read(&unknown).unwrap_err().to_string();
    assert!(refused.contains("crowd"), "{refused}");
    let missing = FLOORS.replace("[row-lock]", "[row-lock-gone]");
    assert!(floors::read(&missing).is_err());
}
