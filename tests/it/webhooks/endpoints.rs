//! The routes: who may use them, what they refuse, and that a store sees only its own.

use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{ENDPOINTS, Stage, create, send, send_json};
use crate::support::{World, receiver::Receiver};

#[tokio::test]
async fn an_endpoint_is_managed_by_owners_and_admins_and_its_secret_is_shown_once() {
    let stage = Stage::start().await;
    let vendor = stage.world.market.vendor().await;
    let admin = stage.vendor(vendor, "admin").await;
    let endpoint = create(&admin, "https://example.com/hooks", &["order_decided"]).await;
    assert!(endpoint.secret.starts_with("whsec_"));

    let listed = admin.get(ENDPOINTS).await;
    let one = admin.get(&endpoint.path()).await;
    let change = json!({ "url": "https://example.com/new", "event_types": [], "is_active": false });
    let changed = send_json(&admin, Method::PATCH, &endpoint.path(), &change).await;

    assert_eq!(listed.data()[0], one.data());
    assert_eq!(one.data()["event_types"], json!(["order_decided"]));
    for reply in [&listed, &one, &changed] {
        assert_eq!(reply.status, 200);
        assert!(!reply.text().contains("whsec_"), "{}", reply.text());
    }
    let changed = changed.data();
    assert_eq!(
        (
            &changed["url"],
            &changed["event_types"],
            &changed["is_active"]
        ),
        (&json!("https://example.com/new"), &json!([]), &json!(false))
    );
    assert_eq!(changed["disabled_reason"], "switched_off");
    let on = json!({ "is_active": true });
    let on = send_json(&admin, Method::PATCH, &endpoint.path(), &on).await;
    assert_eq!(on.data()["disabled_at"], Value::Null);
    assert_eq!(on.data()["url"], "https://example.com/new");
    let deleted = send(&admin, Method::DELETE, &endpoint.path()).await;
    assert_eq!((deleted.status, deleted.text()), (204, String::new()));
    let again = send(&admin, Method::DELETE, &endpoint.path()).await;
    assert_eq!(again.status, 404);
    for role in ["manager", "ops", "staff", "viewer"] {
        let member = stage.vendor(vendor, role).await;
        for (method, path) in [
            (Method::GET, ENDPOINTS.to_owned()),
            (Method::POST, ENDPOINTS.to_owned()),
            (Method::POST, format!("{}/rotate-secret", endpoint.path())),
        ] {
            let reply = send(&member, method, &path).await;
            assert_eq!(reply.status, 403, "{role} {path}");
        }
    }
    let secrets = stage.world.server.log();
    assert!(secrets.iter().all(|line| !line.contains("whsec_")));
}

#[tokio::test]
async fn an_endpoint_of_another_store_is_not_found() {
    let stage = Stage::start().await;
    let receiver = Receiver::start().await;
    let (_, vendors) = stage.vendors::<2>().await;
    let endpoint = create(&vendors[0], &receiver.url(), &[]).await;
    let tested = send(
        &vendors[0],
        Method::POST,
        &format!("{}/test", endpoint.path()),
    )
    .await;
    let delivery = tested.data()["delivery_id"].as_str().unwrap().to_owned();
    receiver.until_received(1).await;
    let path = endpoint.path();

    for (method, path) in [
        (Method::GET, path.clone()),
        (Method::DELETE, path.clone()),
        (Method::POST, format!("{path}/rotate-secret")),
        (Method::POST, format!("{path}/test")),
        (Method::GET, format!("{path}/deliveries")),
        (
            Method::POST,
            format!("{ENDPOINTS}/deliveries/{delivery}/redeliver"),
        ),
        (Method::GET, format!("{ENDPOINTS}/{}", Uuid::now_v7())),
    ] {
        let reply = send(&vendors[1], method, &path).await;
        assert_eq!(
            (reply.status, reply.code()),
            (404, "NOT_FOUND".to_owned()),
            "{path}"
        );
    }
    let change = json!({ "url": "https://example.com" });
    let reply = send_json(&vendors[1], Method::PATCH, &path, &change).await;
    assert_eq!(reply.status, 404);
    assert_eq!(vendors[1].get(ENDPOINTS).await.data(), json!([]));
    assert_eq!(vendors[0].get(&path).await.data()["url"], receiver.url());
}

#[tokio::test]
async fn a_store_has_sixteen_endpoints_at_most() {
    let stage = Stage::start().await;
    for number in 0..16 {
        create(&stage.buyer, &format!("https://example.com/{number}"), &[]).await;
    }
    let body = json!({ "url": "https://example.com/17" });
    let (one, other) = tokio::join!(
        send_json(&stage.buyer, Method::POST, ENDPOINTS, &body),
        send_json(&stage.buyer, Method::POST, ENDPOINTS, &body),
    );
    for reply in [one, other] {
        assert_eq!(reply.status, 400);
        assert_eq!(reply.code(), "VALIDATION_ERROR");
    }
    let count = "select count(*) from webhook_endpoints";
    assert_eq!(stage.count(count).await, 16);
}

#[tokio::test]
async fn urls_and_types_that_can_t_be_are_malformed() {
    let world = World::start().await;
    let buyer = world.client(&world.market.buyer().await);
    for body in [
        json!({}),
        json!({ "url": "http://example.com" }),
        json!({ "url": "https://127.0.0.1/" }),
        json!({ "url": "https://[::ffff:10.0.0.1]/" }),
        json!({ "url": "https://me:word@example.com" }),
        json!({ "url": "https://example.com", "event_types": ["order_lost"] }),
        json!({ "url": "https://example.com", "secret": "whsec_mine" }),
    ] {
        let reply = send_json(&buyer, Method::POST, ENDPOINTS, &body).await;
        assert_eq!(
            (reply.status, reply.code()),
            (400, "VALIDATION_ERROR".to_owned()),
            "{body}"
        );
    }
}

#[tokio::test]
async fn deliveries_are_listed_newest_first_page_by_page() {
    let stage = Stage::start().await;
    let receiver = Receiver::start().await;
    let endpoint = create(&stage.buyer, &receiver.url(), &[]).await;
    for count in 1..=5 {
        send(
            &stage.buyer,
            Method::POST,
            &format!("{}/test", endpoint.path()),
        )
        .await;
        receiver.until_received(count).await;
    }
    let mut seen = Vec::new();
    let mut path = format!("{}/deliveries?limit=2", endpoint.path());
    loop {
        let reply = stage.buyer.get(&path).await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        seen.extend(reply.data().as_array().unwrap().clone());
        let Some(next) = reply.json()["page"]["next_cursor"]
            .as_str()
            .map(str::to_owned)
        else {
            break;
        };
        path = format!("{}/deliveries?limit=2&cursor={next}", endpoint.path());
    }
    let ids: Vec<_> = seen.iter().map(|it| it["id"].as_str().unwrap()).collect();
    let mut sorted = ids.clone();
    sorted.sort_unstable();
    sorted.reverse();
    assert_eq!((ids.len(), &ids), (5, &sorted));
    let bad = stage
        .buyer
        .get(&format!("{}/deliveries?cursor=x", endpoint.path()))
        .await;
    assert_eq!(bad.status, 400);
}
