use std::time::{Duration, Instant};

use clap::Parser;

use super::*;
use crate::{
    db::Bought,
    options::LoadtestArgs,
    record::Outcome,
    report::{Sold, Stocks},
};

#[derive(Parser)]
struct Cli {
    #[command(flatten)]
    args: LoadtestArgs,
}

struct Run {
    recorder: Recorder,
    bought: Bought,
    hot: Sold,
    products_unbalanced: usize,
    ended: Ended,
}

/// A run of 100 checkouts of one unit each of a hot product, and what the caller changes.
fn judged(change: impl FnOnce(&mut Run)) -> Report {
    let args = Cli::parse_from(["loadtest"]).args;
    let begin = Instant::now();
    let mut run = Run {
        recorder: Recorder::between(begin, None),
        bought: Bought {
            groups: 100,
            units: 100,
            ..Bought::default()
        },
        hot: Sold {
            products: 1,
            available_before: 150,
            available_after: 50,
            least_available_after: 50,
            units: 100,
            fulfilled: 0,
        },
        products_unbalanced: 0,
        ended: Ended {
            cpu: Duration::from_millis(10),
            cpu_window: Duration::from_secs(1),
            batches: Ok(None),
            ran_out: false,
            stopped: false,
            end: begin + Duration::from_secs(1),
        },
    };
    for _ in 0..100 {
        run.recorder.record(
            begin,
            begin + Duration::from_millis(5),
            Outcome::Succeeded(201),
        );
    }
    let none = Sold {
        products: 0,
        available_before: 0,
        available_after: 0,
        least_available_after: 0,
        units: 0,
        fulfilled: 0,
    };
    change(&mut run);
    let Run {
        mut recorder,
        bought,
        hot,
        products_unbalanced,
        ended,
    } = run;
    recorder.finish(begin + Duration::from_secs(1));
    let stocks = Stocks {
        spread: none,
        hot,
        products_unbalanced,
    };
    let audit = serde_json::Value::Null;
    let mut report = Report::of(&args, &recorder, &ended, bought, stocks, audit);
    let no_findings = std::iter::empty();
    judge(&mut report, Mode::Checkout, &recorder, &ended, no_findings);
    report
}

fn assert_complains(report: &Report, of: &str) {
    assert!(
        report.complaints.iter().any(|it| it.contains(of)),
        "{of}: {:?}",
        report.complaints
    );
}

#[test]
fn a_run_of_successes_and_refusals_is_sound() {
    let report = judged(|run| {
        let refused = Outcome::Refused(503, "OVERLOADED".to_owned());
        run.recorder.record(Instant::now(), Instant::now(), refused);
    });
    assert_eq!(report.complaints, [""; 0]);
    assert_eq!(report.notes, [""; 0]);
}

#[test]
fn an_unexpected_answer_a_lost_one_and_a_wrong_replay_are_not() {
    let report = judged(|run| {
        let unexpected = Outcome::Unexpected {
            status: 409,
            code: "CART_ALREADY_CONVERTED".to_owned(),
            body: String::new(),
        };
        run.recorder
            .record(Instant::now(), Instant::now(), unexpected);
        run.recorder.record(
            Instant::now(),
            Instant::now(),
            Outcome::Lost("reset".to_owned()),
        );
        run.recorder.replays_wrong = 2;
    });
    assert_complains(&report, "1 answers were 409 CART_ALREADY_CONVERTED");
    assert_complains(&report, "1 requests had no answer: reset");
    assert_complains(&report, "2 replays");
}

#[test]
fn successes_and_groups_are_the_same_but_for_requests_whose_end_nobody_knows() {
    let more = judged(|run| run.bought.groups = 101);
    assert_complains(
        &more,
        "100 checkouts were answered with 201, but the database has 101",
    );
    let fewer = judged(|run| run.bought.groups = 99);
    assert_complains(&fewer, "the database has 99");
    let explained = judged(|run| {
        run.recorder.record(
            Instant::now(),
            Instant::now(),
            Outcome::Lost("reset".to_owned()),
        );
        run.bought.groups = 101;
    });
    assert_eq!(explained.complaints, ["1 requests had no answer: reset"]);
}

#[test]
fn an_oversold_product_and_lost_units_are_told() {
    let oversold = judged(|run| {
        (run.hot.available_after, run.hot.least_available_after) = (-50, -50);
        (run.hot.units, run.bought.units) = (200, 200);
    });
    assert_complains(
        &oversold,
        "oversold: of 150 units of the hot products 200 were sold",
    );
    let lost = judged(|run| run.hot.available_after = 40);
    assert_complains(&lost, "units of the hot products were lost");
    let moved = judged(|run| run.products_unbalanced = 3);
    assert_complains(&moved, "units of 3 products come to another sum");
    let others = judged(|run| run.bought.units = 99);
    assert_complains(&others, "no other client may buy");
}

#[test]
fn a_run_that_the_server_has_limited_says_so() {
    let report = judged(|run| {
        for _ in 0..7 {
            let limited = Outcome::Refused(429, "RATE_LIMITED".to_owned());
            run.recorder.record(Instant::now(), Instant::now(), limited);
        }
    });
    assert_eq!(report.complaints, [""; 0]);
    let [note] = report.notes.as_slice() else {
        panic!("{:?}", report.notes);
    };
    assert!(note.starts_with("7 answers were RATE_LIMITED"), "{note}");
    assert!(note.contains("SPLITCART_RATE_LIMIT=off"), "{note}");
}

#[test]
fn a_driver_that_is_at_its_limit_and_carts_that_are_used_up_are_worth_a_note() {
    let report = judged(|run| {
        run.ended.cpu = Duration::from_millis(900);
        run.ended.ran_out = true;
        run.ended.batches = Err("refused".to_owned());
        run.recorder.arrivals.not_sent = 3;
    });
    assert_eq!(report.complaints, [""; 0]);
    assert_eq!(report.notes.len(), 4, "{:?}", report.notes);
}
