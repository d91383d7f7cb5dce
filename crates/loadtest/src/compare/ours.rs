//! Our side: `splitcart loadtest` as a process beside the server, and what it reports.

use anyhow::{Context, ensure};
use serde::Deserialize;

use crate::{
    bench::{child, server::Server},
    compare::{figures::Figure, options::Times, steps::Step},
};

/// The part of a load test's JSON that is read.
#[derive(Clone, Debug, Deserialize)]
pub struct Report {
    pub seconds: f64,
    pub goodput_per_second: f64,
    pub latency: Option<Latency>,
    pub refusals: Option<Latency>,
    pub not_sent: u64,
    pub outcomes: Vec<Outcome>,
    pub stock: Stocks,
    /// The reasons why it was not sound.
    pub complaints: Vec<String>,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[expect(clippy::struct_field_names, reason = "the names are the JSON's")]
pub struct Latency {
    pub p50_ms: f64,
    pub p99_ms: f64,
    pub max_ms: f64,
}

#[derive(Clone, Copy, Debug, Deserialize)]
pub struct Outcome {
    pub status: u16,
    pub count: u64,
}

#[derive(Clone, Copy, Debug, Deserialize)]
pub struct Stocks {
    pub hot: Sold,
}

#[derive(Clone, Copy, Debug, Deserialize)]
pub struct Sold {
    pub units: i64,
}

impl Report {
    /// The report, if the run was sound.
    pub fn if_sound(self) -> anyhow::Result<Self> {
        let complaints = self.complaints.join("; ");
        ensure!(
            complaints.is_empty(),
            "the load test complains: {complaints}"
        );
        Ok(self)
    }

    /// A rate and latencies.
    pub fn figure(&self) -> anyhow::Result<Figure> {
        let latency = self.latency.context("nothing succeeded")?;
        Ok(Figure {
            per_second: self.goodput_per_second,
            p50_ms: latency.p50_ms,
            p99_ms: latency.p99_ms,
            max_ms: latency.max_ms,
        })
    }

    /// Answers by which the server refused because it had too much to do.
    pub fn refused(&self) -> u64 {
        let refused = self
            .outcomes
            .iter()
            .filter(|it| matches!(it.status, 429 | 503));
        refused.map(|it| it.count).sum()
    }
}

/// A closed loop of a step's clients.
pub async fn measure(
    server: &Server,
    step: Step,
    carts: u32,
    times: Times,
    seed: u32,
) -> anyhow::Result<Figure> {
    let what = match step {
        Step::CartPut => "--mode cart-put".to_owned(),
        Step::CartGet => "--mode cart-get".to_owned(),
        _ => format!("--carts {carts} --hot-share {}", step.hot_share()),
    };
    let arguments = format!(
        "{what} --clients {} --duration {}s --warmup {}s --seed {seed}",
        step.clients(),
        times.seconds,
        times.warmup_s
    );
    let report = load(server, &arguments, |_| {}).await?.if_sound()?;
    ensure!(
        report.seconds > 0.5 * f64::from(times.seconds),
        "the carts were used up after {:.1} s: the machine is much quicker now than it was before",
        report.seconds
    );
    report.figure()
}

/// Buys this many carts and returns the rate.
pub async fn buy(server: &Server, carts: u32) -> anyhow::Result<f64> {
    let report = load(server, &format!("--count {carts}"), |_| {}).await?;
    Ok(report.if_sound()?.goodput_per_second)
}

/// Leaves active carts behind, the same that `measure` would buy: a load test that only reads one of
/// them.
pub async fn prepare(server: &Server, step: Step, carts: u32, seed: u32) -> anyhow::Result<()> {
    let arguments = format!(
        "--mode cart-get --clients 1 --count 1 --carts {carts} --hot-share {} --seed {seed}",
        step.hot_share()
    );
    load(server, &arguments, |_| {}).await?.if_sound().map(drop)
}

/// Runs a load test, sound or not. `heard` gets each line of its stderr.
pub async fn load(
    server: &Server,
    arguments: &str,
    heard: impl FnMut(&str),
) -> anyhow::Result<Report> {
    let mut command = server.command();
    command
        .args(["loadtest", "--json", "-"])
        .args(arguments.split_whitespace());
    let ended = child::run(&mut command, heard).await?;
    // It fails, too, when the run was not sound; its report says more then.
    if let Ok(report) = serde_json::from_str::<Report>(&ended.stdout) {
        return Ok(report);
    }
    let printed = ended.stdout_if_ok("splitcart loadtest")?;
    serde_json::from_str(&printed).context("splitcart loadtest prints another JSON than we know")
}
