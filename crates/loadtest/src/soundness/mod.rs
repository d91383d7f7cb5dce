//! The soundness of a run, and caveats about its figures. Pure.

#[cfg(test)]
mod tests;

use splitcart::http::error::Code;

use super::{
    options::Mode,
    record::Recorder,
    report::{ErrorCount, OutcomeCount, Report},
    run::Ended,
    stock_counts::StockCountsReport,
};

/// From so much of a core on, the driver may have been what was measured.
const DRIVER_SHARE_MAX: f64 = 0.8;

/// The answer to a cart none of whose vendors may sell.
const NOBODY_MAY_SELL: u16 = 422;

/// Adds complaints and notes to a report.
pub fn judge(
    report: &mut Report,
    mode: Mode,
    recorder: &Recorder,
    ended: &Ended,
    findings: impl Iterator<Item = String>,
) {
    let mut complaints = Vec::new();
    complaints.extend(answers(report, mode));
    complaints.extend(moves(report));
    complaints.extend(report.stock_counts.iter().flat_map(stock_counts));
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
        Mode::Checkout | Mode::Purchase | Mode::Lifecycle => 201,
        Mode::CartPut | Mode::CartGet | Mode::Decisions => 200,
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

/// A move has no reason to fail: nobody else moves the orders.
fn moves(report: &Report) -> Vec<String> {
    let moves = report.moves.iter();
    moves
        .flat_map(|it| of_requests(it.kind.name(), &it.outcomes, &it.errors))
        .collect()
}

/// The products are the vendor's own, so no row is refused.
fn stock_counts(report: &StockCountsReport) -> Vec<String> {
    let mut complaints = of_requests("stock counts", &report.outcomes, &report.errors);
    if report.rows.refused > 0 {
        complaints.push(format!(
            "{} rows of stock counts were refused",
            report.rows.refused
        ));
    }
    complaints
}

fn of_requests(name: &str, outcomes: &[OutcomeCount], errors: &[ErrorCount]) -> Vec<String> {
    let unexpected = outcomes
        .iter()
        .filter(|it| ![200, 429, 503].contains(&it.status));
    let unexpected = unexpected.map(|it| {
        format!(
            "{} answers to {name} were {} {}",
            it.count, it.status, it.code
        )
    });
    let lost = errors.iter();
    let lost = lost.map(|it| format!("{} {name} had no answer: {}", it.count, it.error));
    unexpected.chain(lost).collect()
}

/// Every success that a client has seen is a group, and every group was seen by a client, but
/// for requests with an unknown outcome.
fn groups(report: &Report, mode: Mode, recorder: &Recorder) -> Option<String> {
    let seen = match mode {
        Mode::Checkout | Mode::Purchase | Mode::Lifecycle => recorder.succeeded_ever,
        Mode::CartPut | Mode::CartGet | Mode::Decisions => 0,
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
    if report.stock.products_unbalanced > 0 {
        complaints.push(format!(
            "the available, reserved and fulfilled units of {} products come to another sum than before",
            report.stock.products_unbalanced
        ));
    }
    let sold = report.stock.hot.units + report.stock.spread.units;
    let expired = report.late_orders.map_or(0, |late| late.units_released);
    if sold != report.bought.units - expired {
        complaints.push(format!(
            "{sold} units have left the stock, but the test's own orders have {}: no other \
             client may buy while it runs",
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
            "the batches are unknown: the private listener did not answer: {error}"
        ));
    }
    notes
}
