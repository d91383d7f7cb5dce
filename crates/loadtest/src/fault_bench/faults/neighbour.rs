//! A neighbour process that uses all cores, and twice the load beside it.

use std::{
    process::Stdio,
    thread,
    time::{Duration, Instant},
};

use anyhow::Context;
use nix::unistd::Pid;
use tokio::{process::Child, time::sleep};

use crate::{
    bench::child,
    fault_bench::{
        fault_context::{FaultContext, Struck},
        processes,
        record::{Outcome, Who},
    },
};

/// The offered rate, as a multiple of the rate that was reached before.
const TIMES: f64 = 2.0;
/// The least share of a core that the neighbour must have used.
const SHARE_MIN: f64 = 0.2;

/// A process per core. Dropped, it ends.
pub struct Neighbour {
    processes: Vec<Child>,
}

impl Neighbour {
    /// Starts it.
    pub fn start() -> anyhow::Result<Self> {
        let cores = thread::available_parallelism()?.get();
        let start = |_| {
            let mut command = child::command("sh");
            command.args(["-c", "while :; do :; done"]);
            command.stdout(Stdio::null()).stderr(Stdio::null());
            command.spawn().context("can't start sh")
        };
        let processes = (0..cores).map(start).collect::<anyhow::Result<_>>()?;
        Ok(Self { processes })
    }

    fn processor_s(&self) -> anyhow::Result<f64> {
        let mut sum = 0.0;
        for process in &self.processes {
            let pid = process.id().context("it does not end by itself")?;
            sum += processes::processor_s(Pid::from_raw(i32::try_from(pid)?))?;
        }
        Ok(sum)
    }
}

/// Checkouts arrive at twice the rate of the closed loop, however they are answered.
pub async fn overload(
    context: &mut FaultContext<'_>,
    neighbour: Option<&Neighbour>,
) -> anyhow::Result<Struck> {
    let neighbour = neighbour.context("the neighbour is at work")?;
    let (began, had) = (Instant::now(), neighbour.processor_s()?);
    context.load.pause_others(true);
    let stream = context.load.start_stream(TIMES * context.quiet_rate);
    sleep(context.lasts).await;
    stream.end();
    let had = neighbour.processor_s()? - had;
    let lasted: Duration = began.elapsed();
    context.load.pause_others(false);
    let bought = context
        .load
        .count(Who::InNeed, began, |it| it == Outcome::Bought);
    let cores = had / lasted.as_secs_f64();
    let offered = stream.arrived() as f64 / lasted.as_secs_f64();
    Ok(Struck::since(
        began,
        cores > SHARE_MIN * neighbour.processes.len() as f64 && offered > 1.5 * context.quiet_rate,
        format!(
            "the neighbour had {cores:.1} cores; {offered:.0} checkouts a second arrived, {bought} were bought"
        ),
    ))
}
