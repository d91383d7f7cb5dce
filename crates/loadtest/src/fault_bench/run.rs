//! One row, from its preparation to the audit: a warm-up, a quiet phase, the fault, and a phase after it.

use std::{
    ops::Range,
    process::Stdio,
    rc::Rc,
    time::{Duration, Instant},
};

use tokio::time::sleep;

use crate::fault_bench::{
    carts::Carts,
    environment::{Environment, Prepared},
    fault_context::{FaultContext, Struck},
    faults::{self, Beside},
    judge::{self, Figures, Found, Measured},
    load::Load,
    log_pipe::LogPipe,
    record::{Events, Who, length},
    rows::{Between, InNeed, Row},
};

/// A machine that was busy when it was measured may become as quick as this.
const RATE_LEAST: f64 = 3_000.0;
/// The factor by which the machine may become quicker than it was so far.
const MARGIN: f64 = 1.25;
/// Additional carts, for refused checkouts that wait for their retry.
const CARTS_BESIDE: usize = 3_000;
/// The longest wait in the end until every checkout is decided.
const DECIDED_WAIT_MAX: Duration = Duration::from_secs(15);
/// The longest wait for events to be published after the load.
const PUBLISHED_WAIT_MAX: Duration = Duration::from_secs(5);
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// The length of the phases.
#[derive(Clone, Copy, Debug)]
pub struct Times {
    pub warm_up: Duration,
    pub quiet: Duration,
    pub after: Duration,
    /// True if the longest faults are shortened.
    pub is_short: bool,
}

impl Times {
    pub const FULL: Self = Self {
        warm_up: Duration::from_millis(1500),
        quiet: Duration::from_secs(4),
        after: Duration::from_secs(4),
        is_short: false,
    };
    pub const QUICK: Self = Self {
        warm_up: Duration::from_secs(1),
        quiet: Duration::from_secs(2),
        after: Duration::from_secs(3),
        is_short: true,
    };
    /// Short enough for CI.
    pub const CHECK: Self = Self {
        warm_up: Duration::from_secs(1),
        quiet: Duration::from_millis(2500),
        after: Duration::from_secs(2),
        is_short: true,
    };

    fn all(self, row: Row) -> Duration {
        self.warm_up + self.quiet + row.fault_lasts(self.is_short) + self.after
    }
}

/// Measures the rate of this machine: a short load without any fault, whose orders every row begins with.
pub async fn calibrate(environment: &mut Environment) -> anyhow::Result<()> {
    let row = Row::StoreRow;
    let carts = environment.catalogue.draw(0, 12_000, 0, 3)?;
    let Prepared {
        others, in_need, ..
    } = environment.prepare(carts).await?;
    let start = environment.start(Between::Nothing, None, None);
    let server = environment.serve(start, row, 0).await?;
    let load = Rc::new(Load::new(vec![server.http()], others, in_need));
    load.start_clients();
    let from = load.at(Instant::now());
    sleep(Duration::from_millis(1500)).await;
    let to = load.at(Instant::now());
    load.end(DECIDED_WAIT_MAX).await;
    let (events, codes) = load.take_events();
    let since = Instant::now();
    while environment.unpublished().await? > 0 && since.elapsed() < PUBLISHED_WAIT_MAX {
        sleep(LOOK_EVERY).await;
    }
    drop(server);
    environment.keep_past().await?;
    let all = Events::of(&events, &codes);
    // If all carts were bought before the end, the rate is of the time until then.
    let last = events.iter().map(|it| it.ended).max().unwrap_or(to);
    environment.rate = all.rate(&(from..last.min(to)));
    Ok(())
}

/// Runs a row.
pub async fn run(
    environment: &mut Environment,
    row: Row,
    times: Times,
) -> anyhow::Result<Measured> {
    let Prepared {
        carts,
        others,
        in_need,
    } = prepare(environment, row, times).await?;
    let needs = row.needs();
    let proxy = environment.proxy(needs.between)?;
    let (mut servers, mut log) = (Vec::new(), None);
    if needs.instances > 1 {
        faults::make_users(environment, needs.instances).await?;
    }
    for instance in 0..needs.instances {
        let user = (needs.instances > 1).then(|| faults::user(instance));
        let start = environment.start(needs.between, proxy.as_ref(), user.as_deref());
        servers.push(Some(if row == Row::LogReader {
            let (pipe, writer) = LogPipe::open()?;
            log = Some(pipe);
            crate::bench::server::Server::start_with(start, Stdio::from(writer)).await?
        } else {
            environment.serve(start, row, instance).await?
        }));
    }
    let addresses = servers
        .iter()
        .flatten()
        .map(crate::bench::server::Server::http);
    let load = Rc::new(Load::new(addresses.collect(), others, in_need));
    let mut context = FaultContext {
        row,
        carts,
        load: Rc::clone(&load),
        servers,
        proxy,
        log,
        lasts: row.fault_lasts(times.is_short),
        quiet_rate: 0.0,
        environment,
    };
    let beside = faults::before(&mut context).await?;
    let found = phases(&mut context, &beside, times).await;
    faults::after(&mut context, beside).await?;
    let (phases, found) = found?;
    let found = settle(context, found).await?;

    let (events, codes) = load.take_events();
    let measured = figures(row, &events, &codes, &phases, found);
    environment.rate = environment.rate.max(measured.before.per_second);
    Ok(judge::judge(measured))
}

/// Draws the carts of a row and puts them into the database.
async fn prepare(
    environment: &mut Environment,
    row: Row,
    times: Times,
) -> anyhow::Result<Prepared> {
    let needs = row.needs();
    let rate = (MARGIN * environment.rate).max(RATE_LEAST);
    let seconds = times.all(row).as_secs_f64();
    let lasts = row.fault_lasts(times.is_short).as_secs_f64();
    let in_need = match needs.in_need {
        InNeed::Nobody => 0,
        InNeed::Share(share) => count(share * rate * seconds) + 100,
        InNeed::PerSecond(rate) => count(rate * seconds) + 10,
        InNeed::WithTheFault(rate) => count(rate * lasts) + 10,
    };
    let others = count(rate * seconds) + CARTS_BESIDE;
    let carts: Carts = environment
        .catalogue
        .draw(needs.touched, others, in_need, needs.lines)?;
    environment.prepare(carts).await
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "no machine buys so many carts"
)]
fn count(number: f64) -> usize {
    number.ceil() as usize
}

/// The phases, by the load's time.
pub struct Phases {
    pub quiet: Range<Duration>,
    pub fault: Range<Duration>,
    pub after: Range<Duration>,
}

async fn phases(
    context: &mut FaultContext<'_>,
    beside: &Beside,
    times: Times,
) -> anyhow::Result<(Phases, Found)> {
    let load = Rc::clone(&context.load);
    load.start_clients();
    let stream = match context.row.needs().in_need {
        InNeed::Share(share) => {
            Some(load.start_stream(share * context.environment.rate.max(100.0)))
        }
        InNeed::PerSecond(rate) => Some(load.start_stream(rate)),
        InNeed::Nobody | InNeed::WithTheFault(_) => None,
    };
    sleep(times.warm_up).await;
    let quiet = load.at(Instant::now());
    let since = Instant::now();
    sleep(times.quiet).await;
    let bought = load.count(Who::Others, since, |it| {
        it == crate::fault_bench::record::Outcome::Bought
    });
    context.quiet_rate = bought as f64 / times.quiet.as_secs_f64();
    let quiet = quiet..load.at(Instant::now());

    let struck: Struck = faults::strike(context, beside).await?;
    sleep((struck.ended + times.after).saturating_duration_since(Instant::now())).await;
    let end = load.at(Instant::now());
    if let Some(stream) = stream {
        stream.end();
    }
    let undecided = load.end(DECIDED_WAIT_MAX).await;
    let (began, ended) = (load.at(struck.began), load.at(struck.ended));
    let since = if context.row.is_a_moment() {
        began
    } else {
        ended
    };
    let phases = Phases {
        quiet,
        fault: began..ended,
        after: since..end,
    };
    let found = Found {
        is_proven: struck.is_proven,
        proof: struck.proof,
        complaint: struck.complaint,
        undecided,
        ran_out: load.ran_out.get(),
        ..Found::default()
    };
    Ok((phases, found))
}

/// Adds the state of the database after the servers were killed.
async fn settle(context: FaultContext<'_>, mut found: Found) -> anyhow::Result<Found> {
    let FaultContext {
        environment,
        servers,
        proxy,
        row,
        load,
        ..
    } = context;
    let since = Instant::now();
    found.unpublished = environment.unpublished().await?;
    while found.unpublished > 0 && since.elapsed() < PUBLISHED_WAIT_MAX {
        sleep(LOOK_EVERY).await;
        found.unpublished = environment.unpublished().await?;
    }
    // Dropped, they are killed: the database must be consistent at any time.
    drop(servers);
    drop(proxy);
    found.audit = environment.audit().await?;
    if row != Row::Crowd && found.undecided == 0 {
        let seen = i64::try_from(load.bought())?;
        let kept = environment.new_groups().await?;
        found.lost_or_doubled = Some(kept - seen).filter(|it| *it != 0);
    }
    Ok(found)
}

fn figures(
    row: Row,
    events: &[crate::fault_bench::record::Event],
    codes: &[String],
    phases: &Phases,
    found: Found,
) -> Measured {
    let all = Events::of(events, codes);
    let others = match row {
        _ if row.others_wait() => all,
        _ => all.by(Who::Others).at(row.looked_at()),
    };
    let in_need = all.by(Who::InNeed);
    let before = Figures::before(others, &phases.quiet);
    let during = Figures::during(others, &phases.fault);
    let back = others.back_after(&phases.after, before.per_second);
    let slow = others.slow_rate(&phases.quiet);
    let back_to_slow = others.reached_after(&phases.after, slow);
    Measured {
        row,
        bars: row.bars(),
        share: during.per_second / before.per_second,
        p99_times: during.p99_ms / before.p99_ms,
        back_s: back.map(|it| it.as_secs_f64()),
        slow_share: slow / before.per_second,
        back_to_slow_s: back_to_slow.map(|it| it.as_secs_f64()),
        looked_for_s: length(&phases.after).as_secs_f64(),
        others_refused: others.other_answers(&phases.fault),
        others_refusals: others.refusals(&phases.fault),
        in_need_came: in_need.came(&phases.fault),
        in_need_bought: in_need.bought_of(&phases.fault),
        in_need_refused: in_need.other_answers(&phases.fault),
        in_need_refusals: in_need.refusals(&phases.fault),
        answers: all.answers(&phases.fault),
        refusals: all.refusals(&phases.fault),
        per_100_ms: all
            .by(Who::Others)
            .at(row.looked_at())
            .per_step(&(phases.quiet.start..phases.after.end)),
        quiet_steps: length(&phases.quiet).as_millis() / 100,
        before,
        during,
        found,
        complaints: Vec::new(),
        is_met: false,
    }
}
