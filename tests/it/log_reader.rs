//! The reader of the log stops reading.

use std::{
    io::{BufRead, BufReader},
    process::Stdio,
    time::{Duration, Instant},
};

use crate::support::{Client, World, server, wait};

/// Regression: after some 300 requests every thread was blocked in a write, until the reader came back.
#[tokio::test]
async fn a_log_that_nobody_reads_stops_nobody() {
    let world = World::start().await;
    let mut command = server::serve();
    command
        .env("SPLITCART_DATABASE_URL", &world.market.database.url)
        .env("SPLITCART_REDIS_URL", &world.redis.url)
        // Many lines per request, so that it does not take thousands of requests.
        .env("SPLITCART_LOG_FILTER", "trace")
        .stderr(Stdio::piped());
    let mut process = command.spawn().unwrap();
    let mut log = BufReader::new(process.stderr.take().unwrap());
    let (http, ops) = loop {
        let mut line = String::new();
        assert!(log.read_line(&mut line).unwrap() > 0, "it has ended");
        if let Some(addresses) = server::addresses_in(&line) {
            break addresses;
        }
    };
    // From here on the log is not read.
    let client = Client::new(&http, Some(server::token_for(&world.market.buyer().await)));
    let dropped = async || {
        let page = reqwest::get(format!("{ops}/metrics")).await.unwrap();
        let text = page.text().await.unwrap();
        let mut lines = text.lines();
        let line = lines.find(|line| line.starts_with("splitcart_log_lines_dropped_total"));
        line.unwrap()
            .rsplit(' ')
            .next()
            .unwrap()
            .parse::<f64>()
            .unwrap()
    };
    let mut slowest = Duration::ZERO;
    wait::until("lines are dropped", async || {
        for _ in 0..50 {
            let started = Instant::now();
            let replies = futures_util::future::join_all((0..32).map(|_| client.get_cart())).await;
            assert!(replies.iter().all(|reply| reply.status == 404));
            slowest = slowest.max(started.elapsed());
        }
        dropped().await > 0.0
    })
    .await;
    assert!(slowest < Duration::from_secs(3), "{slowest:?}");
    process.kill().unwrap();
    process.wait().unwrap();
}
