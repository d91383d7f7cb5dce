//! `/debug/…` of the private listener: off unless it is turned on, and then about the running service.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use pprof::protos::{Message, Profile};
use reqwest::{Method, StatusCode};
use serde_json::Value;

use crate::support::{World, wait};

const ON: [(&str, &str); 1] = [("SPLITCART_OPS_DEBUG", "true")];

async fn ask(world: &World, method: Method, path: &str, body: &'static str) -> (StatusCode, Value) {
    let request = reqwest::Client::new().request(method, format!("{}{path}", world.server.ops));
    let reply = request.body(body).send().await.unwrap();
    let status = reply.status();
    let text = reply.text().await.unwrap();
    (status, serde_json::from_str(&text).unwrap_or(Value::Null))
}

#[tokio::test]
async fn the_pages_are_off_and_tell_how_to_turn_them_on() {
    let world = World::start().await;
    for (method, path) in [
        (Method::GET, "/debug/log-filter"),
        (Method::PUT, "/debug/log-filter"),
        (Method::GET, "/debug/profile?seconds=1"),
        (Method::GET, "/debug/heap"),
    ] {
        let (status, body) = ask(&world, method, path, "off").await;
        assert_eq!(status, 404, "{path}");
        let hint = body["error"]["message"].as_str().unwrap();
        assert!(hint.contains("SPLITCART_OPS_DEBUG"), "{hint}");
    }
}

#[tokio::test]
async fn a_filter_is_replaced_for_a_while() {
    let world = World::with_settings(&ON).await;
    let client = world.client(&world.market.buyer().await);
    let (_, before) = ask(&world, Method::GET, "/debug/log-filter", "").await;
    let lines = || {
        let log = world.server.log();
        log.iter()
            .filter(|line| line.contains("answered 404"))
            .count()
    };
    client.get_cart().await;
    wait::until("the request is logged", async || lines() == 1).await;

    let (status, during) = ask(&world, Method::PUT, "/debug/log-filter?for=2s", "off").await;
    assert_eq!((status, &during["filter"]), (StatusCode::OK, &"off".into()));
    assert_eq!(during["configured"], before["filter"]);
    client.get_cart().await;

    wait::until("the configured filter is back", async || {
        let (_, now) = ask(&world, Method::GET, "/debug/log-filter", "").await;
        now == before
    })
    .await;
    client.get_cart().await;
    wait::until("a request is logged again", async || lines() == 2).await;
}

#[tokio::test]
async fn a_filter_that_can_not_be_used_changes_nothing() {
    let world = World::with_settings(&ON).await;
    let long = Box::leak("x".repeat(100_000).into_boxed_str());
    for (path, body) in [
        ("/debug/log-filter", "a=b=c"),
        ("/debug/log-filter", ""),
        ("/debug/log-filter", &*long),
        ("/debug/log-filter?for=never", "info"),
        ("/debug/log-filter?for=25h", "info"),
    ] {
        let (status, _) = ask(&world, Method::PUT, path, body).await;
        assert!(status.is_client_error(), "{path}: {status}");
    }
    let (_, now) = ask(&world, Method::GET, "/debug/log-filter", "").await;
    assert_eq!(now["filter"], now["configured"]);
    let (status, _) = ask(&world, Method::POST, "/debug/log-filter", "info").await;
    assert_eq!(status, 405);
}

#[tokio::test]
async fn a_profile_names_the_functions_that_work() {
    let world = World::with_settings(&ON).await;
    let client = world.client(&world.market.buyer().await);
    let is_over = Arc::new(AtomicBool::new(false));
    let load = (0..4).map(|_| {
        let (client, is_over) = (client.clone(), Arc::clone(&is_over));
        tokio::spawn(async move {
            while !is_over.load(Ordering::Relaxed) {
                client.get_cart().await;
            }
        })
    });
    let load: Vec<_> = load.collect();
    let path = format!("{}/debug/profile?seconds=2", world.server.ops);

    let both = tokio::join!(reqwest::get(&path), reqwest::get(&path));

    is_over.store(true, Ordering::Relaxed);
    futures_util::future::join_all(load).await;
    let replies = [both.0.unwrap(), both.1.unwrap()];
    // One profile at a time.
    let mut statuses = replies.each_ref().map(|reply| reply.status().as_u16());
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 409]);
    let [one, other] = replies;
    let reply = if one.status() == 200 { one } else { other };
    let profile = Profile::parse_from_bytes(&reply.bytes().await.unwrap()).unwrap();
    assert!(!profile.sample.is_empty(), "nothing was sampled");
    let text = |index: i64| &profile.string_table[usize::try_from(index).unwrap()];
    let sources = concat!(env!("CARGO_MANIFEST_DIR"), "/src/");
    let ours = |name: &str| name.contains(sources) || name.contains("splitcart::");
    let mut functions = profile.function.iter();
    // A development build names a function without its module, and has the file beside it.
    let found = functions.find(|it| ours(text(it.filename)) || ours(text(it.name)));
    let found = found.unwrap_or_else(|| panic!("{:?}", profile.string_table));
    assert!(!text(found.name).is_empty());
}

#[tokio::test]
async fn the_length_of_a_profile_is_bounded() {
    let world = World::with_settings(&ON).await;
    for seconds in ["0", "61", "-1", "x"] {
        let path = format!("/debug/profile?seconds={seconds}");
        let (status, _) = ask(&world, Method::GET, &path, "").await;
        assert_eq!(status, 400, "{seconds}");
    }
}

#[tokio::test]
async fn the_memory_of_the_process_is_told() {
    let world = World::with_settings(&ON).await;
    let (status, heap) = ask(&world, Method::GET, "/debug/heap", "").await;
    assert_eq!(status, 200);
    let resident = heap["resident_bytes"].as_u64().unwrap();
    assert!(resident > 1_000_000 && resident <= heap["resident_bytes_max"].as_u64().unwrap());
    assert!(heap["heap_and_stacks_bytes"].as_u64().unwrap() > 0);
}
