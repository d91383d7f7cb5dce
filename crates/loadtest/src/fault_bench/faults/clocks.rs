//! Instances whose clocks differ: they replace the three instances of the quiet phase.

use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use chrono::DateTime;
use tokio::{process::Command, time::sleep};

use crate::{
    bench::server::Server,
    fault_bench::{
        fault_context::{FaultContext, Struck},
        rows::Between,
    },
};

/// The offset of each clock from the true time, in seconds.
const APART: [i64; 3] = [-5, 0, 5];
const WARM_UP: Duration = Duration::from_secs(1);
const PROGRAM: &str = "faketime";

/// True if this machine can shift clocks.
pub async fn can_be() -> bool {
    let mut command = Command::new(PROGRAM);
    command.arg("--version").stdout(std::process::Stdio::null());
    command.status().await.is_ok_and(|status| status.success())
}

/// See the module.
pub async fn apart(context: &mut FaultContext<'_>) -> anyhow::Result<Struck> {
    if !can_be().await {
        bail!("faketime is missing");
    }
    let mut servers = Vec::new();
    for (apart, number) in APART.into_iter().zip(context.servers.len()..) {
        let mut start = context.environment.start(Between::Nothing, None, None);
        start.through = vec![PROGRAM.to_owned(), "-f".to_owned(), format!("{apart:+}s")];
        servers.push(
            context
                .environment
                .serve(start, context.row, number)
                .await?,
        );
    }
    let addresses = servers.iter().map(Server::http).collect();
    context.load.send_to(addresses);
    sleep(WARM_UP).await;
    let began = Instant::now();
    sleep(context.lasts).await;
    let (first, last) = (seen(&servers[0]).await?, seen(&servers[2]).await?);
    let seconds = last - first;
    let ended = Instant::now();
    context.servers.extend(servers.into_iter().map(Some));
    let mut struck = Struck::since(
        began,
        seconds >= 9,
        format!("the Date headers of two instances are {seconds} s apart"),
    );
    struck.ended = ended;
    Ok(struck)
}

/// The time by an instance's clock.
async fn seen(server: &Server) -> anyhow::Result<i64> {
    let answer = reqwest::get(format!("http://{}/livez", server.ops())).await?;
    let date = answer
        .headers()
        .get("date")
        .context("an answer has a Date")?;
    Ok(DateTime::parse_from_rfc2822(date.to_str()?)?.timestamp())
}
