//! Twice the rate that the server can serve, in an open loop, and the time until latencies are as before.

use std::time::{Duration, Instant};

use anyhow::Context;
use tokio::sync::oneshot;

use crate::{
    bench::server::Server,
    compare::{
        cluster::Cluster,
        figures::{Figure, Overload},
        options::Times,
        ours,
        probe::Probe,
    },
};

/// More than can be in flight: the server, not the driver, has to refuse.
const IN_FLIGHT_MAX: u32 = 20_000;
/// The longest wait for latencies to be as before, and the pause between two looks.
const RECOVERY_WAIT_MAX: Duration = Duration::from_secs(10);
const ASK_EVERY: Duration = Duration::from_millis(50);
const ASKED_MAX: u32 = 200;
/// The time for which all checkouts must be as before.
const CALM: Duration = Duration::from_secs(1);

/// Offers twice the rate that `usual` has. As before is: a checkout takes no longer than ninety-nine
/// in a hundred did then.
pub async fn measure(
    cluster: &mut Cluster,
    times: Times,
    seed: u32,
    usual: Figure,
) -> anyhow::Result<Overload> {
    let server = cluster.serve(&[]).await?;
    let probe = Probe::prepare(cluster, ASKED_MAX).await?;
    let rate = 2.0 * usual.per_second;
    let arguments = format!(
        "--rate {rate:.0} --max-in-flight {IN_FLIGHT_MAX} --duration {}s --warmup {}s --seed {seed}",
        times.seconds, times.warmup_s
    );
    let (end, ended) = oneshot::channel();
    let mut end = Some(end);
    // It reports each second when it has passed, and when all is answered: with the last second the
    // arrivals end.
    let last_second = format!("{:4} s:", times.seconds);
    let load = ours::load(&server, &arguments, |line| {
        if line.starts_with(&last_second) || line.starts_with("looking ") {
            end.take().map(|end| end.send(()));
        }
    });
    let recovery = async {
        ended.await.context("the load test has ended early")?;
        recovered_after(&server, probe, usual).await
    };
    let (report, recovered_after) = tokio::try_join!(load, recovery)?;
    server.stop().await?;
    let report = report.if_sound()?;
    Ok(Overload {
        offered_per_second: rate,
        goodput_per_second: report.goodput_per_second,
        p50_ms: report.figure()?.p50_ms,
        refusals: report.refused(),
        refusal_p99_ms: report.refusals.map(|it| it.p99_ms),
        not_sent: report.not_sent,
        recovered_after_s: recovered_after.as_secs_f64(),
    })
}

/// Until the first of the checkouts that are all as before, for as long as we look.
async fn recovered_after(
    server: &Server,
    mut probe: Probe,
    usual: Figure,
) -> anyhow::Result<Duration> {
    let start = Instant::now();
    let as_before = Duration::from_secs_f64(usual.p99_ms / 1000.0);
    let mut asking = tokio::time::interval(ASK_EVERY);
    let mut calm_since = None;
    while start.elapsed() < RECOVERY_WAIT_MAX {
        asking.tick().await;
        let asked = start.elapsed();
        let Some(answer) = probe.buy(server).await? else {
            break;
        };
        if !answer.is_bought || answer.took > as_before {
            calm_since = None;
            continue;
        }
        let since = *calm_since.get_or_insert(asked);
        if asked >= since + CALM {
            return Ok(since);
        }
    }
    Ok(RECOVERY_WAIT_MAX)
}
