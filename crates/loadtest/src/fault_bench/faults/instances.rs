//! One of three instances is killed or frozen while it holds a row that the others want.

use std::time::{Duration, Instant};

use anyhow::Context;
use nix::sys::signal::{Signal, kill};
use tokio::time::sleep;

use crate::{
    bench::server::Server,
    db::faults,
    fault_bench::{
        fault_context::{FaultContext, Struck},
        processes,
        rows::Row,
    },
};

/// Attempts to stop the instance inside such a transaction before it is an error.
const TRIES_MAX: u32 = 2000;
/// The statements that the instance had sent must have been carried out.
const SETTLES: Duration = Duration::from_millis(10);
const BETWEEN_TRIES_MS: u32 = 7;

/// The user of an instance, by which its transactions can be told from those of others.
pub fn user(instance: usize) -> String {
    format!("instance_{instance}")
}

/// Makes the users.
pub async fn make_users(
    context: &mut crate::fault_bench::environment::Environment,
    instances: usize,
) -> anyhow::Result<()> {
    for instance in 0..instances {
        let user = user(instance);
        faults::make_user(&mut context.connection, &user).await?;
    }
    Ok(())
}

/// Freezes the first instance for a while, or kills it.
pub async fn struck(context: &mut FaultContext<'_>) -> anyhow::Result<Struck> {
    let pid = context.servers[0].as_ref().and_then(Server::pid);
    let pid = pid.context("the first instance is not running")?;
    for number in 1..=TRIES_MAX {
        let began = Instant::now();
        kill(pid, Signal::SIGSTOP)?;
        sleep(SETTLES).await;
        if !holds_hot_row(context).await? {
            kill(pid, Signal::SIGCONT)?;
            sleep(Duration::from_millis(
                (1 + number % BETWEEN_TRIES_MS).into(),
            ))
            .await;
            continue;
        }
        return strike(context, pid, began, number).await;
    }
    Ok(Struck::since(
        Instant::now(),
        false,
        format!("in {TRIES_MAX} tries it never held the hot row"),
    ))
}

async fn strike(
    context: &mut FaultContext<'_>,
    pid: nix::unistd::Pid,
    began: Instant,
    number: u32,
) -> anyhow::Result<Struck> {
    if context.row == Row::InstanceKilled {
        // Dropped, it is killed.
        drop(context.servers[0].take());
        sleep(context.lasts).await;
        let proof = format!("killed while its transaction held the hot row (try {number})");
        return Ok(Struck::since(began, true, proof));
    }
    let at_once = processes::is_stopped(pid);
    sleep(context.lasts).await;
    let at_last = processes::is_stopped(pid);
    let held = if holds_hot_row(context).await? {
        "still"
    } else {
        "no longer"
    };
    kill(pid, Signal::SIGCONT)?;
    Ok(Struck::since(
        began,
        at_once && at_last,
        format!(
            "in state T while its transaction held the hot row (try {number}), {held} held at the end"
        ),
    ))
}

/// True while a transaction of the first instance waits for it and holds the row.
async fn holds_hot_row(context: &mut FaultContext<'_>) -> anyhow::Result<bool> {
    let product = context.carts.touched[0].uuid();
    Ok(faults::user_holds_stock(&mut context.environment.connection, &user(0), product).await?)
}
