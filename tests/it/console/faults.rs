//! Faults show within three seconds, and the page comes back after a restart.

use std::{
    fs,
    time::{Duration, Instant},
};

use private_servers::PrivatePostgres;

use crate::support::{Redis, Server, World, redis::signal};

use super::{Browser, open, until_text};

const SHOWN_WITHIN: Duration = Duration::from_secs(3);

#[tokio::test]
async fn a_frozen_redis_shows_within_three_seconds() {
    let world = World::start().await;
    let browser = Browser::start(1440, 1000).await;
    open(&browser, &world.server).await;
    until_text(&browser, "t-redis", |text| text.contains("answers")).await;

    let frozen_at = Instant::now();
    world.redis.freeze();
    until_text(&browser, "t-redis", |text| text.contains(", since ")).await;
    let took = frozen_at.elapsed();

    until_text(&browser, "sentence", |text| {
        text.starts_with("Redis ") && text.contains(": checkouts go on")
    })
    .await;
    assert!(took <= SHOWN_WITHIN, "{took:?}");
    browser.picture("redis-down").await;
    world.redis.thaw();
    until_text(&browser, "sentence", |text| text.ends_with("all well")).await;
    assert_eq!(browser.complaints().await, Vec::<String>::new());
}

/// PostgreSQL's processes.
fn processes_of(postgres: &PrivatePostgres) -> Vec<u32> {
    let main = postgres.pid().unwrap();
    let parent_of = |pid: u32| -> Option<u32> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        let (_, fields) = stat.rsplit_once(')')?;
        fields.split_whitespace().nth(1)?.parse().ok()
    };
    let all = fs::read_dir("/proc").unwrap().flatten();
    let pids = all.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let children = pids.filter(|pid| parent_of(*pid) == Some(main));
    children.chain([main]).collect()
}

#[tokio::test]
async fn a_frozen_postgresql_shows_within_three_seconds() {
    let dir = tempfile::Builder::new()
        .prefix("splitcart-frozen-")
        .tempdir()
        .unwrap();
    let postgres = PrivatePostgres::start_at(&dir.path().join("data"))
        .await
        .unwrap();
    let redis = Redis::start().await;
    let server = Server::start(postgres.database_url(), &redis.url, &[]).await;
    let browser = Browser::start(1440, 1000).await;
    open(&browser, &server).await;
    until_text(&browser, "t-postgresql", |text| text.contains("answers")).await;

    let frozen_at = Instant::now();
    let processes = processes_of(&postgres);
    assert!(processes.len() > 3, "{processes:?}");
    for pid in &processes {
        signal(*pid, "STOP");
    }
    until_text(&browser, "t-postgresql", |text| {
        text.contains("does not answer, since")
    })
    .await;
    let took = frozen_at.elapsed();

    until_text(&browser, "sentence", |text| {
        text.starts_with("PostgreSQL does not answer: no checkout can be decided")
    })
    .await;
    assert_eq!(
        browser
            .value("document.getElementById('verdict').dataset.state")
            .await,
        "bad"
    );
    browser.picture("postgresql-frozen").await;
    for pid in &processes {
        signal(*pid, "CONT");
    }
    assert!(took <= SHOWN_WITHIN, "{took:?}");
    until_text(&browser, "t-postgresql", |text| text.contains("answers")).await;
}

#[tokio::test]
async fn a_restart_is_shown_and_the_page_comes_back_with_what_it_had_seen() {
    let world = World::start().await;
    let browser = Browser::start(1200, 900).await;
    open(&browser, &world.server).await;
    until_text(&browser, "connection", |text| text == "live").await;
    let World {
        mut server,
        redis,
        market,
    } = world;
    let before = "document.body.dataset.shownAt";
    let before = browser.value(before).await;
    server.kill();
    until_text(&browser, "connection", |text| {
        text.starts_with("connection lost since")
    })
    .await;

    let address = server.ops.trim_start_matches("http://");
    let settings = [("SPLITCART_OPS_ADDR", address)];
    let _server = Server::start(&market.database.url, &redis.url, &settings).await;

    until_text(&browser, "connection", |text| text == "live").await;
    until_text(&browser, "about", |text| text.contains("up for")).await;
    let first = "const done = arguments[0];
                 import('/ops/assets/figures.js').then(({ figures }) => done(figures.at[0] * 1000))";
    let first = browser
        .client
        .execute_async(first, Vec::new())
        .await
        .unwrap();
    let before: f64 = before.as_str().unwrap().parse().unwrap();
    assert!(first.as_f64().unwrap() <= before, "{first} {before}");
}
