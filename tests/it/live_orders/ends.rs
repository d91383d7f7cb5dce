//! Limits of streams, and their ends.

use std::time::{Duration, Instant};

use reqwest::Method;
use splitcart::{cli::token, config::Config};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::{
    moves::{check_out, worker},
    support::{
        Buyer, Client, Database, Market, Redis, Server, Shopper, World,
        market::cart_of,
        server::{SECRET, token_for},
        silent_proxy::SilentProxy,
        wait,
    },
};

use super::{PATH, Stream, ask};

#[tokio::test]
async fn a_stream_too_many_ends_the_persons_oldest_and_is_refused_if_the_server_has_too_many() {
    let settings = [
        ("SPLITCART_LIVE_STREAMS_MAX", "3"),
        ("SPLITCART_LIVE_USER_STREAMS_MAX", "2"),
    ];
    let world = World::with_settings(&settings).await;
    let one = world.client(&world.market.buyer().await);
    let two = world.client(&world.market.buyer().await);
    let mut first = Stream::open(&one).await;
    let second = Stream::open(&one).await;

    let _third = Stream::open(&one).await;
    assert!(first.next().await.is_none());
    wait::until("the first one's place is free", async || {
        world.server.metric("splitcart_live_streams ").await == 2.0
    })
    .await;
    let _fourth = Stream::open(&two).await;
    let of_all = Client::send(two.request(Method::GET, PATH)).await;
    assert_eq!((of_all.status, of_all.code().as_str()), (503, "OVERLOADED"));
    assert!(of_all.headers.contains_key("retry-after"));
    assert_eq!(world.server.metric("splitcart_live_streams ").await, 3.0);

    drop(second);
    wait::until("there is room again", async || {
        ask(&two, None).await.status() == 200
    })
    .await;
}

#[tokio::test]
async fn only_members_with_a_well_formed_request_get_a_stream() {
    let world = World::start().await;
    let buyer = world.client(&world.market.buyer().await);
    let nobody = world.server.stranger();
    let get = |client: &Client, query: &str| client.request(Method::GET, &format!("{PATH}{query}"));

    assert_eq!(Client::send(get(&nobody, "")).await.status, 401);
    assert_eq!(
        Client::send(get(&buyer, "?perspective=vendor"))
            .await
            .status,
        403
    );
    let bad = get(&buyer, "?perspective=both").header("Last-Event-ID", "x");
    assert_eq!(Client::send(bad).await.status, 400);
    for id in ["-1", "1.5", "", "99999999999999999999", "4711x"] {
        let bad = Client::send(get(&buyer, "").header("Last-Event-ID", id)).await;
        assert_eq!(bad.status, 400, "{id}");
        assert_eq!(bad.bad_fields(), ["Last-Event-ID"]);
    }
    let head = buyer.request(Method::HEAD, PATH).send().await.unwrap();
    assert_eq!(head.status(), 200);
    assert_eq!(head.headers()["content-type"], "text/event-stream");
}

#[tokio::test]
async fn a_stream_ends_with_its_token() {
    let world = World::start().await;
    let buyer = world.market.buyer().await;
    let secret = [("SPLITCART_AUTH_HS256_SECRET".to_owned(), SECRET.to_owned())];
    let config = Config::load(None, secret).unwrap();
    let life = Duration::from_secs(3);
    let token = token::issue(&config, buyer.user_id, buyer.store_id, life).unwrap();
    let client = world.client(&buyer).with_token(Some(&token));
    let mut stream = Stream::open(&client).await;
    let opened = Instant::now();

    assert!(stream.next().await.is_none());

    assert!(
        opened.elapsed() < Duration::from_secs(10),
        "the heartbeat comes later"
    );
}

#[tokio::test]
async fn a_server_that_stops_ends_its_streams_at_once() {
    let settings = [("SPLITCART_HTTP_DRAIN_S_MAX", "60")];
    let mut world = World::with_settings(&settings).await;
    let mut stream = Stream::open(&world.client(&world.market.buyer().await)).await;
    let asked = Instant::now();

    world.server.terminate();

    assert!(stream.next().await.is_none());
    assert!(world.server.ended().await.success());
    assert!(
        asked.elapsed() < Duration::from_secs(10),
        "{:?}",
        asked.elapsed()
    );
}

#[tokio::test]
async fn a_server_that_serves_on_while_it_stops_keeps_its_streams_until_it_closes() {
    let settings = [
        ("SPLITCART_HTTP_DRAIN_S_MAX", "60"),
        ("SPLITCART_HTTP_DRAIN_DELAY_S", "3"),
    ];
    let mut world = World::with_settings(&settings).await;
    let client = world.client(&world.market.buyer().await);
    let mut before = Stream::open(&client).await;
    let asked = Instant::now();

    world.server.terminate();

    wait::until("it is not ready", async || {
        world.server.operations("/readyz").await.0 == 503
    })
    .await;
    let mut meanwhile = Stream::open(&client).await;
    assert!(before.next().await.is_none());
    assert!(meanwhile.next().await.is_none());
    assert!(asked.elapsed() >= Duration::from_secs(3));
    assert!(world.server.ended().await.success());
    assert!(asked.elapsed() < Duration::from_secs(13));
}

/// An event of this store with a long text, straight in the log.
async fn insert_long_events(world: &World, vendor: uuid::Uuid, count: usize) {
    world
        .market
        .database
        .run(&format!(
            "insert into outbox_events (
                id, event_type, aggregate_type, aggregate_id, payload, published_at, seq)
             select gen_random_uuid(), 'inventory_low', 'product', gen_random_uuid(),
                jsonb_build_object('vendor_store_id', '{vendor}', 'text', repeat('x', 100000)),
                now(), nextval('outbox_events_seq')
             from generate_series(1, {count})"
        ))
        .await;
}

#[tokio::test]
async fn a_reader_that_takes_nothing_is_dropped_and_holds_up_no_other() {
    let world = World::start().await;
    let product = world.market.sold_product(500, 1000).await;
    let staff = Buyer {
        user_id: uuid::Uuid::now_v7(),
        store_id: product.vendor.store_id,
    };
    let staff = world.market.colleague(&staff, "viewer").await;
    let address = world.server.http.strip_prefix("http://").unwrap();
    let mut slow = TcpStream::connect(address).await.unwrap();
    let request = format!(
        "GET {PATH} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\n\r\n",
        token_for(&staff)
    );
    slow.write_all(request.as_bytes()).await.unwrap();
    let mut first = [0; 12];
    slow.read_exact(&mut first).await.unwrap();
    assert_eq!(&first, b"HTTP/1.1 200");
    let buyer = world.client(&world.market.buyer().await);
    let mut other = Stream::open(&buyer).await;

    for _ in 0..20 {
        insert_long_events(&world, product.vendor.store_id, 40).await;
    }

    let dropped = "splitcart_live_streams_dropped_total";
    wait::until("the slow one is dropped", async || {
        world.server.metric(dropped).await == 1.0
    })
    .await;
    check_out(&buyer, &cart_of(&[(product, 1)])).await;
    assert_eq!(other.next_words().await.0, "order_created");
}

#[tokio::test]
async fn a_thousand_open_streams_cost_a_checkout_no_statement() {
    let database = Database::create().await;
    let redis = Redis::start().await;
    let proxy = SilentProxy::before_postgres(&database.url).await;
    let settings = [("SPLITCART_LIVE_USER_STREAMS_MAX", "1000")];
    let server = Server::start(&proxy.url(), &redis.url, &settings).await;
    let market = Market::new(database);
    let product = market.sold_product(500, 1000).await;
    let statements = async || {
        let cart = cart_of(&[(product, 1)]);
        let shopper = Shopper::with_cart(&market, &server, &cart).await;
        let applications = ["splitcart checkout", "splitcart http"];
        let executed = || {
            applications
                .map(|name| proxy.executed(name))
                .iter()
                .sum::<usize>()
        };
        let before = executed();
        assert_eq!(shopper.check_out().await.status, 201);
        executed() - before
    };
    statements().await;
    let without = statements().await;

    let world = World {
        server,
        redis,
        market,
    };
    let vendor = worker(&world, product.vendor, "viewer").await;
    let mut streams = Vec::new();
    for _ in 0..20 {
        let some = (0..50).map(|_| Stream::open(&vendor));
        streams.extend(futures_util::future::join_all(some).await);
    }
    assert_eq!(world.server.metric("splitcart_live_streams ").await, 1000.0);
    let World {
        ref server,
        ref market,
        ..
    } = world;
    let shopper = Shopper::with_cart(market, server, &cart_of(&[(product, 1)])).await;
    let executed = || {
        let applications = ["splitcart checkout", "splitcart http"];
        applications
            .map(|name| proxy.executed(name))
            .iter()
            .sum::<usize>()
    };
    let before = executed();
    assert_eq!(shopper.check_out().await.status, 201);
    let with = executed() - before;

    assert_eq!(with, without);
    for stream in &mut streams {
        let mut seen = stream.next_words().await.0;
        // Those that were opened before the last checkout without streams was published see it, too.
        while seen != "vendor_order_created" {
            seen = stream.next_words().await.0;
        }
    }
}
