//! Faults show within three seconds, and the page comes back after a restart.

use std::{
    fs,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use private_servers::PrivatePostgres;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::watch,
};

use crate::{
    loadtest::{seed, seeded},
    support::{Redis, Server, World, redis::signal, wait},
};

use super::{
    Browser, open,
    scenes::{load_for_picture, settle},
    until_text,
};

const SHOWN_WITHIN: Duration = Duration::from_secs(3);

#[tokio::test]
async fn a_frozen_redis_shows_within_three_seconds() {
    let world = seeded(&[]).await;
    let browser = Browser::start(1440, 1000).await;
    open(&browser, &world.server).await;
    until_text(&browser, "t-redis", |text| text.contains("answers")).await;
    let _load = load_for_picture(&world.server, &world.market.database.url, &world.redis.url);
    settle(&browser, Duration::from_secs(20)).await;

    let frozen_at = Instant::now();
    world.redis.freeze();
    until_text(&browser, "t-redis", |text| text.contains(", since ")).await;
    let took = frozen_at.elapsed();

    until_text(&browser, "sentence", |text| {
        text.starts_with("Redis ") && text.contains(": checkouts go on")
    })
    .await;
    assert!(took <= SHOWN_WITHIN, "{took:?}");
    settle(&browser, Duration::from_secs(5)).await;
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
    seed(postgres.database_url()).await;
    let browser = Browser::start(1440, 1000).await;
    open(&browser, &server).await;
    until_text(&browser, "t-postgresql", |text| text.contains("answers")).await;
    let _load = load_for_picture(&server, postgres.database_url(), &redis.url);
    settle(&browser, Duration::from_secs(20)).await;

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
    assert_eq!(browser.broken_rules().await, []);
    settle(&browser, Duration::from_secs(5)).await;
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

/// A network before a private listener. On command it loses the stream's connection: it stays open, and
/// nothing passes any more. New connections work.
struct Network {
    address: String,
    lost: watch::Sender<bool>,
    lost_streams: Arc<AtomicUsize>,
}

impl Network {
    async fn before(listener: &str) -> Self {
        let server = listener.trim_start_matches("http://").to_owned();
        let accepting = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", accepting.local_addr().unwrap());
        let lost = watch::Sender::new(false);
        let lost_streams = Arc::new(AtomicUsize::new(0));
        let (loses, counter) = (lost.clone(), Arc::clone(&lost_streams));
        tokio::spawn(async move {
            while let Ok((client, _)) = accepting.accept().await {
                let there = TcpStream::connect(&server).await.unwrap();
                tokio::spawn(pass(client, there, loses.subscribe(), Arc::clone(&counter)));
            }
        });
        Self {
            address,
            lost,
            lost_streams,
        }
    }
}

async fn until_lost(lost: &mut watch::Receiver<bool>) {
    drop(lost.wait_for(|lost| *lost).await);
}

async fn pass(
    mut client: TcpStream,
    mut server: TcpStream,
    mut lost: watch::Receiver<bool>,
    lost_streams: Arc<AtomicUsize>,
) {
    let is_late = *lost.borrow();
    let mut is_stream = false;
    let (mut asked, mut answered) = ([0; 16384], [0; 16384]);
    loop {
        tokio::select! {
            read = client.read(&mut asked) => {
                let Ok(length @ 1..) = read else { return };
                is_stream |= asked.starts_with(b"GET /ops/stream");
                server.write_all(&asked[..length]).await.unwrap();
            }
            read = server.read(&mut answered) => {
                let Ok(length @ 1..) = read else { return };
                if client.write_all(&answered[..length]).await.is_err() {
                    return;
                }
            }
            () = until_lost(&mut lost), if is_stream && !is_late => {
                lost_streams.fetch_add(1, Ordering::Relaxed);
                std::future::pending::<()>().await;
            }
        }
    }
}

#[tokio::test]
async fn a_connection_that_falls_silent_is_opened_anew_and_nothing_old_is_shown_meanwhile() {
    let world = World::start().await;
    let network = Network::before(&world.server.ops).await;
    let browser = Browser::start(1200, 900).await;
    let url = format!("{}/ops", network.address);
    browser.client.goto(&url).await.unwrap();
    until_text(&browser, "connection", |text| text == "live").await;

    network.lost.send_replace(true);
    until_text(&browser, "sentence", |text| {
        text.starts_with("Nothing is known since ")
    })
    .await;

    assert_eq!(network.lost_streams.load(Ordering::Relaxed), 1);
    let title = browser.value("document.title").await;
    assert!(
        title.as_str().unwrap().starts_with("✕ splitcart: Nothing"),
        "{title}"
    );
    until_text(&browser, "connection", |text| text == "live").await;
    until_text(&browser, "sentence", |text| text.ends_with("all well")).await;
}

/// Each frame that is asked for in a hidden tab would be drawn at once when it is shown again.
#[tokio::test]
async fn a_hidden_tab_asks_for_no_frames_and_its_title_stays_current() {
    let world = World::start().await;
    let browser = Browser::start(1200, 900).await;
    open(&browser, &world.server).await;
    let hide = "(() => {
            window.frames = 0;
            const next = window.requestAnimationFrame.bind(window);
            window.requestAnimationFrame = (draw) => { window.frames += 1; return next(draw); };
            Object.defineProperty(document, 'hidden', { get: () => window.isHidden, configurable: true });
            window.isHidden = true;
            document.title = 'old';
            return null;
        })()";
    browser.value(hide).await;
    let moments = "const done = arguments[0];
        import('/ops/assets/figures.js').then(({ figures }) => {
            const begun = figures.at.at(-1);
            const look = () => figures.at.at(-1) > begun + 3 ? done(window.frames) : setTimeout(look, 50);
            look();
        })";
    let frames = browser.client.execute_async(moments, Vec::new()).await;
    assert_eq!(frames.unwrap(), 0);
    let title = browser.value("document.title").await;
    assert!(
        title.as_str().unwrap().contains("splitcart: No checkouts"),
        "{title}"
    );

    browser
        .value("(() => { window.isHidden = false; return null; })()")
        .await;
    wait::until("it is drawn again", async || {
        browser.value("window.frames").await.as_u64() > Some(0)
    })
    .await;
}
