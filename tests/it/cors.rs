//! The headers that let browsers use the API from pages of other origins, and the security headers of
//! every answer.

use reqwest::{Method, header::HeaderMap};
use serde_json::Value;

use crate::support::{Server, World, client::fresh_key, market::cart_of};

const SHOP: &str = "https://shop.example";
const ORIGINS: (&str, &str) = (
    "SPLITCART_HTTP_CORS_ORIGINS",
    "https://shop.example,http://localhost:5173",
);

/// An answer. A preflight is no call of the API, so it is not checked against its document.
struct Answer {
    status: u16,
    headers: HeaderMap,
    body: String,
}

impl Answer {
    fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name);
        value.map_or("", |value| value.to_str().unwrap())
    }

    fn list(&self, name: &str) -> Vec<String> {
        let mut list: Vec<_> = self
            .header(name)
            .split(',')
            .map(|it| it.trim().to_lowercase())
            .collect();
        list.sort();
        list
    }
}

async fn send(server: &Server, method: Method, headers: &[(&str, &str)]) -> Answer {
    let url = format!("{}/api/v1/cart", server.http);
    let mut request = reqwest::Client::new().request(method, url);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let reply = request.send().await.unwrap();
    Answer {
        status: reply.status().as_u16(),
        headers: reply.headers().clone(),
        body: reply.text().await.unwrap(),
    }
}

async fn preflight(server: &Server, origin: &str, method: &str, headers: &str) -> Answer {
    let asked = [
        ("Origin", origin),
        ("Access-Control-Request-Method", method),
        ("Access-Control-Request-Headers", headers),
        ("X-Request-Id", "preflight"),
    ];
    send(server, Method::OPTIONS, &asked).await
}

#[tokio::test]
async fn without_origins_no_answer_says_anything_of_them() {
    let world = World::start().await;
    let asked = preflight(&world.server, SHOP, "PUT", "authorization").await;
    assert_eq!(
        (asked.status, asked.header("allow")),
        (405, "GET, HEAD, PUT")
    );
    let plain = send(&world.server, Method::GET, &[("Origin", SHOP)]).await;
    assert_eq!(plain.status, 401);
    for answer in [asked, plain] {
        let names = answer.headers.keys().map(|name| name.as_str().to_owned());
        let spoken: Vec<_> = names
            .filter(|it| it.starts_with("access-control"))
            .collect();
        assert!(spoken.is_empty(), "{spoken:?}");
    }
}

#[tokio::test]
async fn a_listed_origin_hears_what_it_may_send() {
    let world = World::with_settings(&[ORIGINS]).await;
    let ours = "authorization, content-type, idempotency-key, if-match, if-none-match, last-event-id, traceparent, x-request-id";
    for origin in [SHOP, "http://localhost:5173"] {
        for method in ["GET", "PUT", "POST", "PATCH", "DELETE"] {
            let answer = preflight(&world.server, origin, method, ours).await;
            assert_eq!(answer.status, 200, "{}", answer.body);
            assert_eq!(answer.header("access-control-allow-origin"), origin);
            assert_eq!(
                answer.list("access-control-allow-methods"),
                ["delete", "get", "head", "patch", "post", "put"]
            );
            assert_eq!(
                answer.list("access-control-allow-headers"),
                [
                    "authorization",
                    "content-type",
                    "idempotency-key",
                    "if-match",
                    "if-none-match",
                    "last-event-id",
                    "traceparent",
                    "x-request-id"
                ]
            );
            assert_eq!(answer.header("access-control-max-age"), "3600");
            assert_eq!(answer.header("access-control-allow-credentials"), "");
            assert!(answer.list("vary").contains(&"origin".to_owned()));
            assert_eq!(answer.header("x-request-id"), "preflight");
        }
    }
}

#[tokio::test]
async fn what_is_not_listed_is_refused_in_the_envelope() {
    let world = World::with_settings(&[ORIGINS]).await;
    for (origin, method, headers) in [
        ("https://evil.example", "PUT", "authorization"),
        ("https://shop.example.evil.example", "PUT", "authorization"),
        ("http://shop.example", "PUT", "authorization"),
        ("null", "PUT", "authorization"),
        (SHOP, "TRACE", "authorization"),
        (SHOP, "PUT", "x-forwarded-for"),
    ] {
        let answer = preflight(&world.server, origin, method, headers).await;
        assert_eq!(answer.status, 400, "{origin} {method} {headers}");
        assert_eq!(answer.header("access-control-allow-origin"), "");
        let error: Value = serde_json::from_str(&answer.body).unwrap();
        assert_eq!(error["error"]["code"], "VALIDATION_ERROR");
        assert_eq!(error["error"]["request_id"], "preflight");
    }
    // A page of another origin gets an answer that its browser withholds.
    let answer = send(
        &world.server,
        Method::GET,
        &[("Origin", "https://evil.example")],
    )
    .await;
    assert_eq!(
        (answer.status, answer.header("access-control-allow-origin")),
        (401, "")
    );
}

#[tokio::test]
async fn a_listed_origin_may_read_every_answer_errors_and_refusals_too() {
    let world = World::with_settings(&[
        ORIGINS,
        ("SPLITCART_RATE_LIMIT", "on"),
        ("SPLITCART_LIMITS_USER_PER_S", "1"),
        ("SPLITCART_LIMITS_USER_BURST", "3"),
    ])
    .await;
    let buyer = world.market.buyer().await;
    let client = world.client(&buyer);
    let cart = cart_of(&[(world.market.sold_product(500, 9).await, 1)]);
    client.put_cart(&fresh_key(), &cart).await.data();
    let token = format!("Bearer {}", crate::support::server::token_for(&buyer));
    let mut seen = Vec::new();
    for _ in 0..50 {
        let asked = [("Origin", SHOP), ("Authorization", token.as_str())];
        let answer = send(&world.server, Method::GET, &asked).await;
        assert_readable(&answer);
        seen.push(answer.status);
        if answer.status == 429 {
            break;
        }
    }
    assert!(seen.contains(&200) && seen.contains(&429), "{seen:?}");
    for (method, status) in [
        (Method::GET, 401),
        (Method::DELETE, 405),
        (Method::OPTIONS, 405),
    ] {
        let answer = send(&world.server, method, &[("Origin", SHOP)]).await;
        assert_eq!(answer.status, status);
        assert_readable(&answer);
    }
}

fn assert_readable(answer: &Answer) {
    assert_eq!(
        answer.header("access-control-allow-origin"),
        SHOP,
        "{}",
        answer.status
    );
    assert_eq!(
        answer.list("access-control-expose-headers"),
        [
            "etag",
            "idempotency-replayed",
            "location",
            "ratelimit",
            "ratelimit-policy",
            "retry-after",
            "x-request-id"
        ]
    );
}

#[tokio::test]
async fn every_answer_tells_browsers_to_do_nothing_with_it() {
    let world = World::with_settings(&[ORIGINS]).await;
    let client = world.client(&world.market.buyer().await);
    let stranger = world.server.stranger();
    let answers = [
        client.get_cart().await,
        client.put_cart(&fresh_key(), &Value::Null).await,
        stranger.get_cart().await,
        stranger.get("/nowhere").await,
        stranger.get("/openapi.json").await,
    ];
    let headers = answers.into_iter().map(|reply| reply.headers);
    let preflight = preflight(&world.server, SHOP, "PUT", "authorization")
        .await
        .headers;
    for headers in headers.chain([preflight]) {
        for (name, value) in [
            ("x-content-type-options", "nosniff"),
            (
                "content-security-policy",
                "default-src 'none'; frame-ancestors 'none'",
            ),
            ("referrer-policy", "no-referrer"),
            ("cross-origin-resource-policy", "same-origin"),
            ("cross-origin-opener-policy", "same-origin"),
            ("cache-control", "no-store"),
        ] {
            assert_eq!(headers[name], value, "{headers:?}");
        }
        assert!(
            !headers.contains_key("strict-transport-security"),
            "without TLS"
        );
    }
}

#[tokio::test]
async fn a_page_keeps_the_policy_of_its_own() {
    let world = World::start().await;
    let page = world.server.stranger().get("/docs").await;
    assert_eq!(page.status, 200);
    let policy = page.header("content-security-policy");
    assert!(policy.contains("script-src"), "{policy}");
    assert_eq!(
        page.headers
            .get_all("content-security-policy")
            .iter()
            .count(),
        1
    );
    assert_eq!(page.header("cache-control"), "max-age=3600");
    assert_eq!(page.header("x-content-type-options"), "nosniff");
}
