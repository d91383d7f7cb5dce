//! Headers that may appear once and appear twice: refused, in either order.

use reqwest::Method;
use serde_json::json;
use uuid::Uuid;

use crate::support::{Client, World, client::fresh_key, market::cart_of, server::token_for};

#[tokio::test]
async fn a_header_that_may_stand_once_and_stands_twice_is_refused() {
    let origins = [("SPLITCART_HTTP_CORS_ORIGINS", "https://shop.example")];
    let world = World::with_settings(&origins).await;
    let buyer = world.market.buyer().await;
    let cart = cart_of(&[(world.market.sold_product(500, 9).await, 1)]);
    let client = world.client(&buyer);
    client.freeze(&cart).await;
    let before = world.market.database.contents().await;
    let good = format!("Bearer {}", token_for(&buyer));
    let bad = "Bearer x".to_owned();
    let (key, id) = (fresh_key(), Uuid::now_v7().to_string());
    let json_type = "application/json".to_owned();
    let shop = "https://shop.example".to_owned();
    for (name, one, other) in [
        ("Authorization", &good, &bad),
        ("Authorization", &good, &good),
        ("Content-Type", &json_type, &"text/plain".to_owned()),
        ("Idempotency-Key", &key, &fresh_key()),
        ("Idempotency-Key", &key, &key),
        ("If-Match", &"\"a\"".to_owned(), &"*".to_owned()),
        ("Origin", &shop, &"https://elsewhere.example".to_owned()),
        ("X-Request-Id", &id, &"another".to_owned()),
    ] {
        for [first, second] in [[one, other], [other, one]] {
            let mut request = world
                .server
                .stranger()
                .request(Method::PUT, "/api/v1/cart")
                .body(cart.to_string());
            for (single, value) in [
                ("Authorization", &good),
                ("Content-Type", &json_type),
                ("Idempotency-Key", &fresh_key()),
            ] {
                if single != name {
                    request = request.header(single, value);
                }
            }
            let reply = Client::send(request.header(name, first).header(name, second)).await;
            assert_eq!(reply.status, 400, "{name}: {}", reply.text());
            assert_eq!(reply.bad_fields(), [name]);
            assert_ne!(reply.header("x-request-id"), id);
        }
    }
    assert_eq!(world.market.database.contents().await, before);
}

/// The rule includes routes without a token.
#[tokio::test]
async fn the_rule_holds_on_every_route() {
    let world = World::start().await;
    let stranger = world.server.stranger();
    for path in ["/openapi.json", "/docs", "/api/v1/orders", "/nowhere"] {
        let request = stranger.request(Method::GET, path);
        let request = request
            .header("Authorization", "Bearer a")
            .header("Authorization", "Bearer b");
        let (http, request) = request.build_split();
        let reply = http.execute(request.unwrap()).await.unwrap();
        assert_eq!(reply.status(), 400, "{path}");
        let body: serde_json::Value = reply.json().await.unwrap();
        let fields = json!([{ "path": "Authorization", "problem": "must be sent once" }]);
        assert_eq!(body["error"]["details"]["fields"], fields);
    }
}
