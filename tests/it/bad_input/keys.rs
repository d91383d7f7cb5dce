//! The header Idempotency-Key: values that are no key, and the scope within which keys are compared.

use reqwest::header::HeaderValue;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use uuid::Uuid;

use crate::support::{Client, Reply, World, client::fresh_key, market::cart_of, server::token_for};

use super::{Fixture, ROUTES};

async fn send_under(fixture: &Fixture, route: usize, keys: &[&[u8]]) -> Reply {
    let (method, path) = &ROUTES[route];
    let body = match route {
        0 => fixture.cart.clone(),
        _ => json!({ "cart_id": Uuid::now_v7() }),
    };
    let mut request = fixture.client.request(method.clone(), path).json(&body);
    for key in keys {
        request = request.header("Idempotency-Key", HeaderValue::from_bytes(key).unwrap());
    }
    Client::send(request).await
}

#[tokio::test]
async fn a_header_that_is_no_key_is_refused() {
    let fixture = Fixture::new().await;
    let (at_limit, too_long) = ("k".repeat(256), "k".repeat(300));
    let cases: [&[&[u8]]; 12] = [
        &[],
        &[b""],
        &[b"   "],
        &[b"two words"],
        &[b"a\tb"],
        &["schlüssel".as_bytes()],
        &[b"\xff\xfe"],
        &["\u{200b}".as_bytes()],
        &[at_limit.as_bytes()],
        &[too_long.as_bytes()],
        &[b"once", b"twice"],
        &[b"same", b"same"],
    ];
    for route in [0, 1] {
        for keys in cases {
            let reply = send_under(&fixture, route, keys).await;
            let got = (reply.status, reply.code());
            assert_eq!(got, (400, "VALIDATION_ERROR".to_owned()), "{keys:?}");
            assert_eq!(reply.bad_fields(), ["Idempotency-Key"]);
        }
    }
    fixture.finish().await;
}

#[tokio::test]
async fn the_shortest_the_longest_and_the_oddest_keys_are_keys() {
    let fixture = Fixture::new().await;
    let longest = "k".repeat(255);
    let oddest: String = ('!'..='~').collect();
    for key in [
        "x",
        longest.as_str(),
        oddest.as_str(),
        "*",
        "a:b",
        "'; drop table users; --",
    ] {
        let key = key.replace(' ', "_");
        let put = send_under(&fixture, 0, &[key.as_bytes()]).await;
        assert_eq!((put.status, put.is_replay()), (200, false), "{key}");
        assert!(send_under(&fixture, 0, &[key.as_bytes()]).await.is_replay());
        // The database checks the key by the same rule as the service.
        let bought: Uuid = put.data()["id"].as_str().unwrap().parse().unwrap();
        let checkout = fixture.client.check_out(&key, bought).await;
        assert_eq!(
            (checkout.status, checkout.is_replay()),
            (201, false),
            "{key}"
        );
        assert!(fixture.client.check_out(&key, bought).await.is_replay());
    }
}

/// HTTP does not allow control characters: such a request reaches no route.
#[tokio::test]
async fn control_characters_in_a_header_are_refused() {
    let fixture = Fixture::new().await;
    let token = token_for(&fixture.buyer);
    let address = fixture.world.server.http.strip_prefix("http://").unwrap();
    for key in ["a\0b", "a\u{1}b", "a\u{7f}b", "a\u{1b}[0mb"] {
        let body = fixture.cart.to_string();
        let request = format!(
            "PUT /api/v1/cart HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\
             Authorization: Bearer {token}\r\nContent-Type: application/json\r\n\
             Idempotency-Key: {key}\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.unwrap();

        assert!(
            answer.starts_with(b"HTTP/1.1 400 "),
            "{key:?}: {}",
            String::from_utf8_lossy(&answer)
        );
    }
    // A client's mistake is not logged as an error.
    let log = fixture.world.server.log();
    assert!(
        !log.iter().any(|line| line.contains("\"ERROR\"")),
        "{log:?}"
    );
    fixture.finish().await;
}

/// Scope: user, store, method, path.
#[tokio::test]
async fn a_key_of_another_user_store_or_route_is_another_key() {
    let world = World::start().await;
    let market = &world.market;
    let buyer = market.buyer().await;
    let colleague = market.colleague(&buyer, "manager").await;
    let mut elsewhere = market.buyer().await;
    market
        .database
        .run(&format!(
            "update store_memberships set user_id = '{}' where store_id = '{}'",
            buyer.user_id, elsewhere.store_id
        ))
        .await;
    elsewhere.user_id = buyer.user_id;
    let product = market.sold_product(500, 50).await;
    let (key, cart) = (fresh_key(), cart_of(&[(product, 1)]));
    let other_cart = cart_of(&[(product, 2)]);

    let first = world.client(&buyer).put_cart(&key, &cart).await;
    let by_colleague = world.client(&colleague).put_cart(&key, &other_cart).await;
    let for_another_store = world.client(&elsewhere).put_cart(&key, &other_cart).await;
    let own_again = world.client(&buyer).put_cart(&key, &cart).await;
    let cart_id: Uuid = first.data()["id"].as_str().unwrap().parse().unwrap();
    let bought = world.client(&buyer).check_out(&key, cart_id).await;
    let bought_by_colleague = world.client(&colleague).check_out(&key, cart_id).await;

    for reply in [&first, &by_colleague, &for_another_store] {
        assert_eq!(
            (reply.status, reply.is_replay()),
            (200, false),
            "{}",
            reply.text()
        );
    }
    assert_eq!(by_colleague.data()["version"], 2);
    assert_eq!(
        for_another_store.data()["buyer_store_id"],
        json!(elsewhere.store_id)
    );
    assert!(own_again.is_replay());
    assert_eq!(own_again.bytes, first.bytes);
    assert_eq!((bought.status, bought.is_replay()), (201, false));
    assert_eq!(bought_by_colleague.code(), "CART_ALREADY_CONVERTED");
}

/// The fingerprint: order of names and white space do not matter, everything else does.
#[tokio::test]
async fn the_same_request_is_recognized_however_it_is_spelled() {
    let fixture = Fixture::new().await;
    let key = fresh_key();
    let put = async |body: String| {
        let request = fixture.client.put_cart_request(&key, &json!({})).body(body);
        Client::send(request).await
    };
    let text = fixture.cart.to_string();
    let first = put(text.clone()).await;
    let reversed = reversed(&fixture.cart);
    assert_ne!(reversed, text);

    for same in [
        serde_json::to_string_pretty(&fixture.cart).unwrap(),
        reversed,
    ] {
        let reply = put(same).await;
        assert!(reply.is_replay(), "{}", reply.text());
        assert_eq!(reply.bytes, first.bytes);
    }
    for (from, to) in [
        ("\"20.00\"", "\"20.0\""),
        ("\"currency\":\"USD\",", ""),
        ("\"TEN\"", "\"ten\""),
        ("\"Tulsa\"", "\"Tulsa \""),
    ] {
        let other = text.replacen(from, to, 1);
        assert_ne!(other, text, "{from}");
        let reply = put(other).await;
        let got = (reply.status, reply.code());
        assert_eq!(got, (409, "IDEMPOTENCY_KEY_REUSED".to_owned()), "{from}");
    }
}

/// The same JSON with every object's names in the opposite order.
fn reversed(value: &Value) -> String {
    match value {
        Value::Object(fields) => {
            let fields = fields.iter().rev();
            let fields: Vec<_> = fields
                .map(|(name, value)| format!("{}:{}", json!(name), reversed(value)))
                .collect();
            format!("{{{}}}", fields.join(","))
        }
        Value::Array(items) => {
            let items: Vec<_> = items.iter().map(reversed).collect();
            format!("[{}]", items.join(","))
        }
        other => other.to_string(),
    }
}
