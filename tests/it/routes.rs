//! Behaviour common to all routes: unknown routes, wrong methods, request ids.

use reqwest::{Method, header::HeaderValue};
use uuid::Uuid;

use crate::support::{Client, World, client::fresh_key, market::cart_of};

#[tokio::test]
async fn an_unknown_route_is_not_found_for_everybody() {
    let world = World::start().await;
    let member = world.client(&world.market.buyer().await);
    for path in [
        "/",
        "/api",
        "/api/v1",
        "/api/v1/",
        "/api/v1/carts",
        "/api/v1/cart/",
        "/api/v1/cart/x",
        "/API/V1/CART",
        "/api/v2/cart",
        "/api/v1//cart",
        "/api/v1/checkout/x",
        "/admin",
        "/.env",
        "/api/v1/checkout-groups",
        "/api/v1/%00",
        "/api/v1/%ff",
        "/..%2f..%2fetc/passwd",
    ] {
        for client in [&member, &world.server.stranger()] {
            for method in [Method::GET, Method::POST, Method::DELETE] {
                let reply = Client::send(client.request(method, path)).await;
                let got = (reply.status, reply.code());
                assert_eq!(got, (404, "NOT_FOUND".to_owned()), "{path}");
            }
        }
    }
}

#[tokio::test]
async fn a_wrong_method_is_told_the_right_ones() {
    let world = World::start().await;
    let client = world.client(&world.market.buyer().await);
    let group = format!("/api/v1/checkout-groups/{}", Uuid::now_v7());
    for (path, allowed) in [
        ("/api/v1/cart", "GET, HEAD, PUT"),
        ("/api/v1/checkout", "POST"),
        (group.as_str(), "GET, HEAD"),
    ] {
        for method in [
            "GET", "PUT", "POST", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW",
        ] {
            if allowed.contains(method) {
                continue;
            }
            let method = Method::from_bytes(method.as_bytes()).unwrap();
            let reply = Client::send(client.request(method.clone(), path)).await;
            let got = (reply.status, reply.code());
            assert_eq!(
                got,
                (405, "METHOD_NOT_ALLOWED".to_owned()),
                "{method} {path}"
            );
            assert_eq!(reply.header("allow"), allowed);
        }
    }
}

#[tokio::test]
async fn a_path_with_no_id_in_it_is_malformed() {
    let world = World::start().await;
    let client = world.client(&world.market.buyer().await);
    for id in [
        "x",
        "0",
        "%00",
        "' or 1=1",
        "null",
        "01980c5e-0000-7000-8000-00000000000",
    ] {
        let reply = client.get(&format!("/api/v1/checkout-groups/{id}")).await;
        assert_eq!(
            (reply.status, reply.code().as_str()),
            (400, "VALIDATION_ERROR"),
            "{id}"
        );
        assert_eq!(reply.bad_fields(), ["id"]);
    }
}

/// The request id is the client's if it is 1 to 128 of `A-Z a-z 0-9 . _ -`, else a new one.
#[tokio::test]
async fn every_response_has_a_request_id() {
    let world = World::start().await;
    let client = world.client(&world.market.buyer().await);
    let (longest, too_long) = ("i".repeat(128), "i".repeat(129));
    for (sent, echoed) in [
        (b"a".as_slice(), true),
        (b"A-Z_a.z-09", true),
        (longest.as_bytes(), true),
        (too_long.as_bytes(), false),
        (b"", false),
        (b"two words", false),
        (b"a/b", false),
        (b"<script>", false),
        ("schlüssel".as_bytes(), false),
        (b"\xff", false),
    ] {
        let request = client
            .request(Method::GET, "/api/v1/cart")
            .header("X-Request-Id", HeaderValue::from_bytes(sent).unwrap());

        let reply = Client::send(request).await;

        // `code` compares the header with the id in the envelope.
        assert_eq!((reply.status, reply.code().as_str()), (404, "NOT_FOUND"));
        let id = reply.header("x-request-id");
        if echoed {
            assert_eq!(id.as_bytes(), sent);
        } else {
            id.parse::<Uuid>().unwrap();
        }
    }
}

#[tokio::test]
async fn successes_have_a_request_id_too_and_replays_have_their_own() {
    let world = World::start().await;
    let client = world.client(&world.market.buyer().await);
    let cart = cart_of(&[(world.market.sold_product(500, 9).await, 1)]);
    let key = fresh_key();
    for sent in ["first", "second"] {
        let request = client
            .put_cart_request(&key, &cart)
            .header("X-Request-Id", sent);

        let reply = Client::send(request).await;

        assert_eq!((reply.status, reply.header("x-request-id")), (200, sent));
    }
    let reply = client.get_cart().await;
    reply.header("x-request-id").parse::<Uuid>().unwrap();
}

/// HEAD gives the answer of GET, without a body.
#[tokio::test]
async fn head_is_answered_wherever_get_is() {
    let world = World::start().await;
    let client = world.client(&world.market.buyer().await);
    let product = world.market.sold_product(500, 10).await;
    client.freeze(&cart_of(&[(product, 1)])).await;
    let group = format!("/api/v1/checkout-groups/{}", Uuid::now_v7());
    for path in [
        "/api/v1/cart",
        "/api/v1/orders",
        &group,
        "/openapi.json",
        "/docs",
        "/docs/swagger-ui.css",
    ] {
        let http = reqwest::Client::new();
        let ask = async |method: Method| {
            let request = client.request(method, path).header("X-Request-Id", "a");
            let request = request.build().unwrap();
            let reply = http.execute(request).await.unwrap();
            let status = reply.status().as_u16();
            let told = ["content-type", "content-length", "cache-control"];
            let headers = told.map(|name| reply.headers().get(name).cloned());
            (status, headers, reply.bytes().await.unwrap().len())
        };
        let (status, headers, length) = ask(Method::GET).await;
        assert_eq!(ask(Method::HEAD).await, (status, headers, 0), "{path}");
        assert!(length > 0, "{path}");
    }
    let counted = "splitcart_http_requests_total{method=\"HEAD\",route=\"/api/v1/cart\"";
    assert_eq!(world.server.metric(counted).await, 1.0);
}

#[tokio::test]
async fn the_documentation_can_be_left_out() {
    let world = World::with_settings(&[("SPLITCART_HTTP_DOCS", "off")]).await;
    let stranger = world.server.stranger();
    for path in ["/openapi.json", "/docs", "/docs/swagger-ui.css"] {
        let url = format!("{}{path}", world.server.http);
        assert_eq!(reqwest::get(url).await.unwrap().status(), 404, "{path}");
    }
    assert_eq!(stranger.get("/api/v1/cart").await.status, 401);
}
