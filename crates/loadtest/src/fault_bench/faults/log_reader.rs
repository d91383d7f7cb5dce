//! The reader of the server's log stops, and its pipe fills up.

use std::{
    fmt::Write,
    time::{Duration, Instant},
};

use anyhow::Context;
use tokio::time::sleep;

use crate::fault_bench::fault_context::{FaultContext, Struck};

/// A pipe holds 64 KiB, in pages of which each has a rest.
const PIPE_BYTES: usize = 50 * 1024;
const READS: Duration = Duration::from_millis(100);

/// See the module.
pub async fn stops(context: &mut FaultContext<'_>) -> anyhow::Result<Struck> {
    let log = context.log.as_ref().context("this row reads the log")?;
    log.rest(true);
    while !log.is_resting() {
        sleep(Duration::from_millis(1)).await;
    }
    let began = Instant::now();
    sleep(context.lasts).await;
    log.rest(false);
    let ended = Instant::now();
    sleep(READS).await;
    let waited = log.most_at_once();
    let mut proof = format!("{waited} bytes waited in the pipe");
    if let Some(server) = context.servers.iter().flatten().next()
        && let Ok(dropped) = server.metric("splitcart_log_lines_dropped_total").await
    {
        let _ = write!(proof, ", {dropped} lines dropped and counted");
    }
    let mut struck = Struck::since(began, waited >= PIPE_BYTES, proof);
    struck.ended = ended;
    Ok(struck)
}
