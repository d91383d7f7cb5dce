//! A catalogue of 100,000 vendors: its rate, its memory, and the end of idle vendors' actors.

use std::time::{Duration, Instant};

use crate::compare::{
    cluster::Cluster,
    figures::{Figure, Large, PutAway},
    options::Times,
    ours,
    steps::Step,
};

const ACTORS: &str = "splitcart_vendor_actors";
const IDLE_SETTING: &str = "SPLITCART_VENDORS_IDLE_S_MAX";
/// Much shorter than the default, with which memory is measured: here actors only have to be put away at
/// all.
const IDLE_S: &str = "5";
const PUT_AWAY_WAIT_MAX: Duration = Duration::from_secs(30);
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// Spread load over all of them.
pub async fn measure(
    cluster: &mut Cluster,
    times: Times,
    seed: u32,
) -> anyhow::Result<(Figure, Large)> {
    let server = cluster.serve(&[]).await?;
    let carts = cluster.carts_for(Step::Large, times);
    let figure = ours::measure(&server, Step::Large, carts, times, seed).await?;
    cluster.has_reached(Step::Large, figure.per_second);
    let actors = server.metric(ACTORS).await?;
    let memory_mb = server.most_memory_mb();
    server.stop().await?;
    Ok((figure, Large { actors, memory_mb }))
}

/// Wakes many actors, then lets them rest.
pub async fn put_away(cluster: &mut Cluster, seed: u32) -> anyhow::Result<PutAway> {
    let times = Times {
        warmup_s: 0,
        seconds: 3,
    };
    let server = cluster.serve(&[(IDLE_SETTING, IDLE_S)]).await?;
    let carts = cluster.carts_for(Step::Large, times);
    ours::measure(&server, Step::Large, carts, times, seed).await?;
    let actors_under_load = server.metric(ACTORS).await?;
    let resting = Instant::now();
    let mut actors_left = actors_under_load;
    while actors_left > 0.0 && resting.elapsed() < PUT_AWAY_WAIT_MAX {
        tokio::time::sleep(LOOK_EVERY).await;
        actors_left = server.metric(ACTORS).await?;
    }
    server.stop().await?;
    Ok(PutAway {
        actors_under_load,
        actors_left,
    })
}
