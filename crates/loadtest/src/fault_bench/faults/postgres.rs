//! A PostgreSQL that stops.

use std::time::{Duration, Instant};

use anyhow::Context;
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use tokio::time::{sleep, timeout};

use crate::{
    db::faults,
    fault_bench::{
        fault_context::{FaultContext, Struck},
        processes,
    },
};

const UP_WAIT_MAX: Duration = Duration::from_secs(30);
const LOOK_EVERY: Duration = Duration::from_millis(10);

fn main_process(context: &FaultContext<'_>) -> anyhow::Result<Pid> {
    let pid = context.environment.services.postgres_pid();
    let pid = pid.context("PostgreSQL is not running")?;
    Ok(Pid::from_raw(i32::try_from(pid)?))
}

/// No process of PostgreSQL gets CPU time.
pub async fn frozen(context: &mut FaultContext<'_>) -> anyhow::Result<Struck> {
    let main = main_process(context)?;
    let all = processes::with_children(main);
    let began = Instant::now();
    for pid in &all {
        // A process may have ended just now.
        let _ = kill(*pid, Signal::SIGSTOP);
    }
    sleep(context.lasts).await;
    let stopped = all
        .iter()
        .filter(|pid| processes::is_stopped(**pid))
        .count();
    let is_proven = processes::is_stopped(main) && stopped > all.len() / 2;
    for pid in all.iter().rev() {
        let _ = kill(*pid, Signal::SIGCONT);
    }
    Ok(Struck::since(
        began,
        is_proven,
        format!(
            "{stopped} of its {} processes in state T at the end",
            all.len()
        ),
    ))
}

/// A process of PostgreSQL dies in the middle of its work, and PostgreSQL restarts: all connections are
/// cut, everything uncommitted is gone, and no connection is accepted until the log is read.
pub async fn restarted(context: &mut FaultContext<'_>) -> anyhow::Result<Struck> {
    let backend = faults::a_checkout_session(&mut context.environment.connection).await?;
    let before: Vec<_> = processes::with_children(main_process(context)?);
    let began = Instant::now();
    kill(Pid::from_raw(backend), Signal::SIGKILL)?;
    // The main process takes a moment to notice.
    while faults::is_alive(&mut context.environment.connection).await {
        sleep(LOOK_EVERY).await;
    }
    let up = async {
        while context.environment.reconnect().await.is_err() {
            sleep(LOOK_EVERY).await;
        }
    };
    timeout(UP_WAIT_MAX, up)
        .await
        .context("PostgreSQL does not come back")?;
    let ended = Instant::now();
    let now = processes::with_children(main_process(context)?);
    let left = before.iter().filter(|pid| now.contains(pid)).count();
    sleep(context.lasts.saturating_sub(began.elapsed())).await;
    let mut struck = Struck::since(
        began,
        // Only the main process has survived.
        left == 1,
        format!(
            "{} processes gone, connections to be had again after {:.2} s",
            before.len() - left,
            (ended - began).as_secs_f64()
        ),
    );
    struck.ended = ended;
    Ok(struck)
}
