//! The document as it is served and printed, its page, and its examples. That every other answer is
//! as documented is held by each test's client.

use std::process::Stdio;

use reqwest::Method;
use serde_json::{Value, json};
use splitcart::http::openapi;

use crate::support::{
    Client, Database, Redis, Server, World,
    client::fresh_key,
    server::{splitcart, token_of},
};

#[test]
fn the_commands_print_the_contract_without_a_database() {
    for (command, start) in [
        ("openapi", openapi::document()),
        ("errors", "<!-- Made by `splitcart errors`"),
    ] {
        let output = splitcart(command)
            .stdin(Stdio::null())
            .env("SPLITCART_DATABASE_URL", "postgres://localhost:1/nothing")
            .env("SPLITCART_REDIS_URL", "redis://localhost:1")
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        let printed = String::from_utf8(output.stdout).unwrap();
        assert!(printed.starts_with(start), "{printed}");
    }
}

#[tokio::test]
async fn the_document_and_its_page_are_served_to_anybody_and_ask_nobody_else() {
    let world = World::start().await;
    let stranger = world.server.stranger();

    let document = stranger.get("/openapi.json").await;
    assert_eq!(document.text(), openapi::document());

    let page = stranger.get("/docs").await;
    let policy = page.header("content-security-policy");
    assert!(policy.starts_with("default-src 'none'; script-src 'self';"));
    assert!(policy.contains("connect-src 'self'"), "{policy}");
    let text = page.text();
    let asked_for: Vec<_> = text
        .split(['"', '\''])
        .filter(|it| it.starts_with('/'))
        .collect();
    assert_eq!(asked_for.len(), 5, "{text}");
    for path in asked_for {
        let reply = stranger.get(path).await;
        assert_eq!(reply.status, 200, "{path}");
        assert!(!reply.bytes.is_empty(), "{path}");
    }
    let elsewhere = text.matches("http:").count() + text.matches("https:").count();
    assert_eq!(elsewhere, 0, "{text}");
    assert_eq!(stranger.get("/docs/index.html").await.status, 404);
}

#[tokio::test]
async fn every_documented_operation_is_routed() {
    let world = World::start().await;
    let stranger = world.server.stranger();
    let document: Value = serde_json::from_str(openapi::whole_document()).unwrap();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let method: Method = method.to_uppercase().parse().unwrap();
            let path = path.replace("{file}", "start.js").replace("{id}", "x");
            let takes_a_token = operation.get("security").is_none();

            let reply = Client::send(stranger.request(method.clone(), &path)).await;

            let expected = if takes_a_token { 401 } else { 200 };
            assert_eq!(reply.status, expected, "{method} {path}");
        }
    }
}

/// Ids and times differ from one run to the next; everything else must be as shown.
#[tokio::test]
async fn the_examples_work_on_the_seeded_catalogue() {
    let database = Database::create().await;
    let redis = Redis::start().await;
    let seeded = splitcart("seed")
        .args(["--vendors", "20", "--products", "40", "--buyers", "1"])
        .env("SPLITCART_DATABASE_URL", &database.url)
        .env("SPLITCART_REDIS_URL", &redis.url)
        .output()
        .unwrap();
    assert!(seeded.status.success(), "{seeded:?}");
    let server = Server::start(&database.url, &redis.url, &[]).await;
    let client = Client::new(&server.http, Some(token_of(1)));
    let document: Value = serde_json::from_str(openapi::document()).unwrap();
    let example = |operation: &str, part: &str| {
        let content = format!("{operation}/{part}/content/application~1json/example");
        document.pointer(&content).unwrap().clone()
    };
    let (put, post) = (
        "/paths/~1api~1v1~1cart/put",
        "/paths/~1api~1v1~1checkout/post",
    );

    let cart = client
        .put_cart(&fresh_key(), &example(put, "requestBody"))
        .await;
    assert_eq!(cart.status, 200, "{}", cart.text());
    assert_same_but_ids(&cart.json(), &example(put, "responses/200"));

    let mut request = example(post, "requestBody");
    request["cart_id"] = cart.data()["id"].clone();
    let preview = "/paths/~1api~1v1~1checkout~1preview/post";
    let foreseen = client.request(Method::POST, "/api/v1/checkout/preview");
    let foreseen = Client::send(foreseen.json(&request)).await;
    assert_same_but_ids(&foreseen.json(), &example(preview, "responses/200"));
    let bought = Client::send(client.checkout_request(&fresh_key(), &request)).await;
    assert_eq!(bought.status, 201, "{}", bought.text());
    assert_same_but_ids(&bought.json(), &example(post, "responses/201"));

    let orders = client.get("/api/v1/orders").await;
    let list = "/paths/~1api~1v1~1orders/get";
    assert_same_but_ids(&orders.json(), &example(list, "responses/200"));
    let id = orders.data()[0]["order_id"].clone();
    let order = client
        .get(&format!("/api/v1/orders/{}", id.as_str().unwrap()))
        .await;
    let get = "/paths/~1api~1v1~1orders~1{id}/get";
    assert_same_but_ids(&order.json(), &example(get, "responses/200"));
}

fn assert_same_but_ids(got: &Value, shown: &Value) {
    let (mut got, mut shown) = (got.clone(), shown.clone());
    for value in [&mut got, &mut shown] {
        forget_what_differs(value);
    }
    assert_eq!(got, shown);
}

fn forget_what_differs(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            for (name, field) in fields {
                let seeded = ["product_id", "vendor_store_id", "buyer_store_id"];
                let differs = name.ends_with("_at")
                    || name == "id"
                    || name.ends_with("_id")
                    || name == "valid_until";
                if differs && !seeded.contains(&name.as_str()) {
                    *field = json!("differs");
                }
                forget_what_differs(field);
            }
        }
        Value::Array(items) => items.iter_mut().for_each(forget_what_differs),
        _ => {}
    }
}
