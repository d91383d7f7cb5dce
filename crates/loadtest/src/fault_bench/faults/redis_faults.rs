//! A Redis that is away, empty, full, busy, or refuses writes.

use std::time::{Duration, Instant};

use anyhow::Context;
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use redis::aio::MultiplexedConnection;
use tokio::time::{sleep, timeout};

use crate::fault_bench::{
    fault_context::{FaultContext, Struck},
    processes,
};

/// The time until Redis is started again after it was killed.
const AWAY: Duration = Duration::from_secs(2);
const RESTART_WAIT_MAX: Duration = Duration::from_secs(2);
/// The longest wait for an answer of Redis.
const ANSWER_WAIT_MAX: Duration = Duration::from_millis(300);
/// Less memory than an empty Redis needs.
const MEMORY: &str = "1";
const LOOPS: &str = "while true do end";

fn process(context: &FaultContext<'_>) -> anyhow::Result<Pid> {
    let pid = context.environment.services.redis_pid();
    Ok(Pid::from_raw(i32::try_from(
        pid.context("Redis is not running")?,
    )?))
}

async fn connect(context: &FaultContext<'_>) -> anyhow::Result<MultiplexedConnection> {
    let client = redis::Client::open(context.environment.services.redis_url())?;
    Ok(client.get_multiplexed_async_connection().await?)
}

/// The error that Redis answers a write with; empty if it accepts the write.
async fn refusal(redis: &mut MultiplexedConnection) -> String {
    let mut command = redis::cmd("SET");
    command.arg("fault-bench").arg("1").arg("PX").arg(1);
    match timeout(ANSWER_WAIT_MAX, command.exec_async(redis)).await {
        Ok(Ok(())) => String::new(),
        Ok(Err(error)) => error.to_string(),
        Err(_) => "no answer".to_owned(),
    }
}

async fn set(redis: &mut MultiplexedConnection, name: &str, value: &str) -> anyhow::Result<()> {
    let mut command = redis::cmd("CONFIG");
    command.arg("SET").arg(name).arg(value);
    Ok(command.exec_async(redis).await?)
}

/// Redis gets no CPU time.
pub async fn frozen(context: &mut FaultContext<'_>) -> anyhow::Result<Struck> {
    let pid = process(context)?;
    let began = Instant::now();
    kill(pid, Signal::SIGSTOP)?;
    sleep(context.lasts).await;
    let is_stopped = processes::is_stopped(pid);
    kill(pid, Signal::SIGCONT)?;
    let proof = "its process in state T at the end".to_owned();
    Ok(Struck::since(began, is_stopped, proof))
}

/// Redis dies, and is started again after a while.
pub async fn killed(context: &mut FaultContext<'_>) -> anyhow::Result<Struck> {
    let pid = process(context)?;
    let began = Instant::now();
    kill(pid, Signal::SIGKILL)?;
    sleep(AWAY).await;
    // The task that waits for the end of Redis starts it again.
    let waiting = timeout(
        RESTART_WAIT_MAX,
        context.environment.services.wait_for_failure(),
    );
    if let Ok(error) = waiting.await {
        return Err(error.into());
    }
    let anew = process(context)?;
    Ok(Struck::since(
        began,
        anew != pid,
        format!(
            "process {pid} killed, {anew} runs {} s later",
            AWAY.as_secs()
        ),
    ))
}

/// All keys are deleted.
pub async fn emptied(context: &mut FaultContext<'_>) -> anyhow::Result<Struck> {
    let mut redis = connect(context).await?;
    let keys: usize = redis::cmd("DBSIZE").query_async(&mut redis).await?;
    let began = Instant::now();
    redis::cmd("FLUSHALL").exec_async(&mut redis).await?;
    sleep(context.lasts).await;
    let proof = format!("{keys} keys were in it");
    Ok(Struck::since(began, keys > 100, proof))
}

/// Redis has no memory for another key.
pub async fn full(context: &mut FaultContext<'_>) -> anyhow::Result<Struck> {
    let mut redis = connect(context).await?;
    let began = Instant::now();
    set(&mut redis, "maxmemory-policy", "noeviction").await?;
    set(&mut redis, "maxmemory", MEMORY).await?;
    sleep(context.lasts).await;
    let said = refusal(&mut redis).await;
    set(&mut redis, "maxmemory", "0").await?;
    let is_proven = said.contains("OOM");
    Ok(Struck::since(
        began,
        is_proven,
        format!("a SET hears: {said}"),
    ))
}

/// A script runs and does not end.
pub async fn busy(context: &mut FaultContext<'_>) -> anyhow::Result<Struck> {
    let (mut redis, mut other) = (connect(context).await?, connect(context).await?);
    set(&mut redis, "lua-time-limit", "100").await?;
    let began = Instant::now();
    let script = actix_rt::spawn(async move {
        // The script is killed in the end.
        let _ = redis::cmd("EVAL")
            .arg(LOOPS)
            .arg(0)
            .exec_async(&mut other)
            .await;
    });
    sleep(context.lasts).await;
    let mut asking = connect_anyhow(context).await;
    let said = match &mut asking {
        Ok(asking) => refusal(asking).await,
        Err(error) => format!("{error:#}"),
    };
    script.abort();
    redis::cmd("SCRIPT")
        .arg("KILL")
        .exec_async(&mut redis)
        .await?;
    let is_proven = said.contains("BUSY") || said.contains("Busy") || said.contains("busy");
    Ok(Struck::since(
        began,
        is_proven,
        format!("a SET hears: {said}"),
    ))
}

/// A connection to a busy Redis, which answers even the first command with BUSY.
async fn connect_anyhow(context: &FaultContext<'_>) -> anyhow::Result<MultiplexedConnection> {
    timeout(ANSWER_WAIT_MAX, connect(context))
        .await
        .context("no answer")?
}

/// Redis is the replica of a server that does not exist.
pub async fn read_only(context: &mut FaultContext<'_>) -> anyhow::Result<Struck> {
    let mut redis = connect(context).await?;
    let began = Instant::now();
    let mut follow = redis::cmd("REPLICAOF");
    follow
        .arg("127.0.0.1")
        .arg("9")
        .exec_async(&mut redis)
        .await?;
    sleep(context.lasts).await;
    let said = refusal(&mut redis).await;
    let mut lead = redis::cmd("REPLICAOF");
    lead.arg("NO").arg("ONE").exec_async(&mut redis).await?;
    let is_proven = said.to_lowercase().contains("readonly") || said.contains("read only");
    Ok(Struck::since(
        began,
        is_proven,
        format!("a SET hears: {said}"),
    ))
}
