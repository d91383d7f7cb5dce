//! Whether a run was sound, and what to know when reading its figures. Pure.

use splitcart::http::error::Code;

use super::{options::Mode, record::Recorder, report::Report, run::Ended};

/// From so much of a core on, the driver may have been what was measured.
const DRIVER_SHARE_MAX: f64 = 0.8;

/// The answer to a cart none of whose vendors may sell.
const NOBODY_MAY_SELL: u16 = 422;

/// Adds to a report what is wrong with the run, and what is worth a note.
pub fn judge(
    report: &mut Report,
    mode: Mode,
    recorder: &Recorder,
    ended: &Ended,
    findings: impl Iterator<Item = String>,
) {
    let mut complaints = Vec::new();
    complaints.extend(answers(report, mode));
    complaints.extend(groups(report, mode, recorder));
    complaints.extend(stock(report));
    complaints.extend(findings);
    if ended.stopped {
        complaints.push("a signal has stopped it before its end".to_owned());
    }
    report.complaints = complaints;
    report.notes = notes(report, ended);
}

fn answers(report: &Report, mode: Mode) -> Vec<String> {
    let success = match mode {
        Mode::Checkout | Mode::Purchase => 201,
        Mode::CartPut | Mode::CartGet => 200,
    };
    let mut complaints: Vec<_> = report
        .outcomes
        .iter()
        .filter(|it| ![success, 429, 503].contains(&it.status))
        .filter(|it| !(report.settings.any_vendor && it.status == NOBODY_MAY_SELL))
        .map(|it| format!("{} answers were {} {}", it.count, it.status, it.code))
        .collect();
    let lost = report.errors.iter();
    complaints.extend(lost.map(|it| format!("{} requests had no answer: {}", it.count, it.error)));
    if report.replays.wrong > 0 {
        let wrong = report.replays.wrong;
        complaints.push(format!("{wrong} replays were not the first answer again"));
    }
    if report.latency.is_none() {
        complaints.push("nothing succeeded".to_owned());
    }
    complaints
}

/// Every success that a client has seen is a group, and there is no group that nobody has seen, but
/// for requests whose end nobody knows.
fn groups(report: &Report, mode: Mode, recorder: &Recorder) -> Option<String> {
    let seen = match mode {
        Mode::Checkout | Mode::Purchase => recorder.succeeded_ever,
        Mode::CartPut | Mode::CartGet => 0,
    };
    let groups = report.bought.groups.cast_unsigned();
    let explained = (seen..=seen + recorder.unknown_ever).contains(&groups);
    (!explained).then(|| {
        format!("{seen} checkouts were answered with 201, but the database has {groups} of them")
    })
}

fn stock(report: &Report) -> Vec<String> {
    let mut complaints = Vec::new();
    let stocks = [("hot", report.stock.hot), ("other", report.stock.spread)];
    for (name, it) in stocks {
        if it.least_available_after < 0 || it.units > it.available_before {
            complaints.push(format!(
                "oversold: of {} units of the {name} products {} were sold",
                it.available_before, it.units
            ));
        }
        if it.available_before - it.units != it.available_after {
            complaints.push(format!(
                "units of the {name} products were lost: {} before, {} sold, {} after",
                it.available_before, it.units, it.available_after
            ));
        }
    }
    let sold = report.stock.hot.units + report.stock.spread.units;
    if sold != report.bought.units {
        complaints.push(format!(
            "{sold} units have left the stock, but the test's own orders have {}: nobody else may \
             buy while it runs",
            report.bought.units
        ));
    }
    complaints
}

fn notes(report: &Report, ended: &Ended) -> Vec<String> {
    let mut notes = Vec::new();
    if ended.ran_out {
        notes.push(format!(
            "the carts were used up after {:.1} s; --carts prepares more",
            report.seconds
        ));
    }
    let limited = report
        .outcomes
        .iter()
        .filter(|it| it.code == Code::RateLimited.as_str());
    let limited: u64 = limited.map(|it| it.count).sum();
    if limited > 0 {
        notes.push(format!(
            "{limited} answers were {}: the server limits how many requests it takes, and that is \
             what was measured; start it with SPLITCART_RATE_LIMIT=off, or raise its [limits]",
            Code::RateLimited.as_str()
        ));
    }
    if report.not_sent > 0 {
        notes.push(format!(
            "{} arrivals were not sent, because --max-in-flight requests were under way",
            report.not_sent
        ));
    }
    if report.driver_cpu.share > DRIVER_SHARE_MAX {
        notes.push(format!(
            "the driver used {:.0} % of a core and may be what was measured",
            report.driver_cpu.share * 100.0
        ));
    }
    if let Err(error) = &ended.batches {
        notes.push(format!(
            "the private listener did not tell the batches: {error}"
        ));
    }
    notes
}

#[cfg(test)]
mod tests {
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
            },
            ended: Ended {
                cpu: Duration::from_millis(10),
                cpu_window: Duration::from_secs(1),
                batches: Ok(None),
                ran_out: false,
                stopped: false,
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
        };
        change(&mut run);
        let Run {
            mut recorder,
            bought,
            hot,
            ended,
        } = run;
        recorder.finish(begin + Duration::from_secs(1));
        let stocks = Stocks { spread: none, hot };
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
        let others = judged(|run| run.bought.units = 99);
        assert_complains(&others, "nobody else may buy");
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
}
