//! Log lines of requests: each fault is logged with its request's id, refusals do not flood the log,
//! and no client chooses the length of a line.

use reqwest::Method;
use serde_json::Value;
use sqlx::Connection;

use crate::support::{
    Client, World,
    client::fresh_key,
    cluster,
    market::cart_of,
    socket::{answer, connect},
    wait,
};

fn events(world: &World) -> Vec<Value> {
    let lines = world.server.log();
    let events = lines.iter().map(|line| serde_json::from_str(line).unwrap());
    events.collect()
}

fn names(event: &Value, id: &str) -> bool {
    let text = |name: &str| event[name].as_str().unwrap_or_default().to_owned();
    text("http.request_id") == id || text("http.request_ids").contains(id)
}

/// Waits for the line of a request with this id and status.
async fn until_answered(world: &World, id: &str, status: u16) -> Value {
    let mut own = None;
    wait::until("the request's line is in the log", async || {
        let mut events = events(world).into_iter();
        own = events.find(|event| names(event, id) && event["http.status"] == status);
        own.is_some()
    })
    .await;
    own.unwrap()
}

/// Regression: the cause was in a line without an id, and the request's own line had level INFO.
#[tokio::test]
async fn the_cause_of_a_500_is_found_by_its_request_id() {
    let world = World::start().await;
    let client = world.client(&world.market.buyer().await);
    let product = world.market.sold_product(500, 10).await;
    let cart_id = client.freeze(&cart_of(&[(product, 1)])).await;
    let database = &world.market.database;
    database
        .run(
            "alter table payment_intents rename to gone; alter table cart_items rename to gone_too",
        )
        .await;

    let replies = [
        client
            .put_cart(&fresh_key(), &cart_of(&[(product, 2)]))
            .await,
        client.check_out(&fresh_key(), cart_id).await,
        client.get_cart().await,
    ];

    for reply in replies {
        assert_eq!((reply.status, reply.code().as_str()), (500, "INTERNAL"));
        let id = reply.header("x-request-id");
        wait::until("its cause is in the log", async || {
            let events = events(&world);
            let mut about_it = events.iter().filter(|event| names(event, id));
            about_it.any(|event| {
                event.to_string().contains("gone") || event.to_string().contains("does not exist")
            })
        })
        .await;
        let own = until_answered(&world, id, 500).await;
        assert_eq!(own["level"], "ERROR", "{own}");
    }
}

#[tokio::test]
async fn a_503_is_a_warning_with_its_cause() {
    let world = World::start().await;
    let client = world.client(&world.market.buyer().await);
    let name = world.market.database.url.rsplit('/').next().unwrap();
    let name = name.split('?').next().unwrap().to_owned();
    let others = format!(
        "alter database \"{name}\" with allow_connections false; \
         select pg_terminate_backend(pid) from pg_stat_activity \
         where datname = '{name}' and pid <> pg_backend_pid()"
    );
    let mut admin = sqlx::PgConnection::connect(cluster::url()).await.unwrap();
    sqlx::raw_sql(sqlx::AssertSqlSafe(others))
        .execute(&mut admin)
        .await
        .unwrap();
    let reply = client.get_cart().await;
    assert_eq!(reply.status, 503);
    let id = reply.header("x-request-id");
    let own = until_answered(&world, id, 503).await;
    assert_eq!(own["level"], "WARN", "{own}");
    assert!(
        own["error.cause"].as_str().is_some_and(|it| !it.is_empty()),
        "{own}"
    );
}

/// Regression: each refusal had a line, 58 MB in five seconds.
#[tokio::test]
async fn a_flood_of_refusals_is_summed_up() {
    const REQUESTS: u64 = 3_000;
    let world = World::start().await;
    let mut stream = connect(&world.server).await;
    for _ in 0..REQUESTS {
        use tokio::io::AsyncWriteExt;
        stream
            .write_all(b"GET /nope HTTP/1.1\r\nHost: x\r\n\r\n")
            .await
            .unwrap();
        answer(&mut stream).await;
    }
    let told = async || {
        let events = events(&world);
        let own = events
            .iter()
            .filter(|event| event["http.route"] == "unknown");
        let summed_up: u64 = events
            .iter()
            .filter_map(|event| event["log.left_out"].as_u64())
            .sum();
        (own.count() as u64, summed_up)
    };
    wait::until("all are accounted for", async || {
        let (own, summed_up) = told().await;
        own + summed_up == REQUESTS
    })
    .await;
    let (own, _) = told().await;
    assert!(own < REQUESTS / 2, "{own} lines");
}

/// Regression: a method of 60 KB made a line of 120 KB.
#[tokio::test]
async fn no_line_is_as_long_as_a_client_likes() {
    use tokio::io::AsyncWriteExt;
    let world = World::start().await;
    let method = "X".repeat(60_000);
    let path = "y".repeat(60_000);
    for request in [
        format!("{method} /nope HTTP/1.1\r\nHost: x\r\n\r\n"),
        format!("GET /{path} HTTP/1.1\r\nHost: x\r\n\r\n"),
        format!("GET / HTTP/1.1\r\nHost: {path}\r\nUser-Agent: {path}\r\n\r\n"),
        format!("GET / HTTP/1.1\r\nHost: x\r\nX-Request-Id: {path}\r\n\r\n"),
    ] {
        let mut stream = connect(&world.server).await;
        stream.write_all(request.as_bytes()).await.unwrap();
        answer(&mut stream).await;
    }
    wait::until("all are in the log", async || {
        let log = world.server.log();
        log.iter()
            .filter(|line| line.contains("answered 404"))
            .count()
            == 4
    })
    .await;
    let longest = world.server.log().iter().map(String::len).max().unwrap();
    assert!(longest < 1_000, "{longest} bytes");
}

#[tokio::test]
async fn addresses_are_logged_only_where_that_is_wanted() {
    let proxied = [
        ("SPLITCART_LOG_ADDRESSES", "true"),
        ("SPLITCART_HTTP_TRUSTED_PROXIES", "127.0.0.1"),
    ];
    for (settings, address) in [
        (&[][..], Value::Null),
        (&proxied, Value::from("203.0.113.7")),
    ] {
        let world = World::with_settings(settings).await;
        let stranger = world.server.stranger();
        let request = stranger
            .request(Method::GET, "/api/v1/cart")
            .header("X-Forwarded-For", "203.0.113.7");
        assert_eq!(Client::send(request).await.status, 401);
        let found = async || {
            let events = events(&world);
            events.into_iter().find(|event| event["http.status"] == 401)
        };
        wait::until("it is in the log", async || found().await.is_some()).await;
        assert_eq!(found().await.unwrap()["client.address"], address);
    }
}
