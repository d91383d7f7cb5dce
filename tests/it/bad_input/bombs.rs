//! Requests that are small and would cost much: many members, many parameters, long names, many rules
//! broken at once. The answer is small, and says how much it leaves out.

use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{Reply, client::fresh_key};

use super::{Fixture, ROUTES};

/// The largest error, in bytes.
const ANSWER_LEN_MAX: usize = 64 * 1024;

fn assert_small(reply: &Reply, what: &str) {
    let length = reply.bytes.len();
    assert!(length <= ANSWER_LEN_MAX, "{what}: {length} bytes");
}

#[tokio::test]
async fn a_body_of_many_members_or_long_names_has_a_short_answer() {
    let fixture = Fixture::new().await;
    let members = |name: &str, count: usize| vec![format!("\"{name}\":1"); count].join(",");
    let objects = |object: &str, count: usize| vec![object.to_owned(); count].join(",");
    let sixty = format!("{{{}}}", members("unknown", 60));
    let bodies = [
        (
            "a known name behind many unknown ones",
            format!(
                "{{\"totals\":{{}},\"items\":[{{{},{}}}]}}",
                members("", 26_000),
                members("qty", 16_000)
            ),
        ),
        (
            "the same at the top",
            format!("{{{},{}}}", members("", 26_000), members("items", 13_000)),
        ),
        ("unknown names", format!("{{{}}}", members("", 52_000))),
        (
            "unknown names in a line",
            format!("{{\"items\":[{{{}}}]}}", members("", 52_000)),
        ),
        (
            "many lines of many members",
            format!("{{\"items\":[{}]}}", objects(&sixty, 200)),
        ),
        ("a long name", format!("{{\"{}\":1}}", "~".repeat(250_000))),
        (
            "names of what is written longest",
            format!(
                "{{{}}}",
                (0..64)
                    .map(|index| format!("\"{}{index}\":1", "\\u0001".repeat(600)))
                    .collect::<Vec<_>>()
                    .join(",")
            ),
        ),
        (
            "empty lines",
            format!("{{\"items\":[{}]}}", objects("{}", 80_000)),
        ),
        ("deep", format!("{{\"items\":{}", "[".repeat(100_000))),
        (
            "numbers",
            format!("{{\"items\":[{}1]}}", "1,".repeat(120_000)),
        ),
        (
            "floats",
            format!("{{\"items\":[{}1]}}", "1.5,".repeat(60_000)),
        ),
    ];
    for (method, path) in ROUTES {
        for (what, body) in &bodies {
            assert!(body.len() <= 256 * 1024, "{what}: {}", body.len());
            let reply = fixture.send(&method, path, body.clone()).await;
            assert_eq!(reply.status, 400, "{what}");
            assert_small(&reply, what);
        }
    }
    fixture.finish().await;
}

#[tokio::test]
async fn a_hundred_problems_are_told_and_the_others_counted() {
    let fixture = Fixture::new().await;
    let mut cart = fixture.cart.clone();
    cart["items"] = json!(vec![json!({}); 200]);
    let reply = fixture
        .send(&Method::PUT, "/api/v1/cart", cart.to_string())
        .await;
    let fields = reply.json()["error"]["details"]["fields"].clone();
    let fields = fields.as_array().unwrap();
    // Three fields are required in each line.
    assert_eq!(fields.len(), 101);
    assert_eq!(
        fields[100],
        json!({ "path": "", "problem": "has 500 more problems, which are not told" })
    );
    let one_too_many: serde_json::Map<_, _> =
        (0..65).map(|it| (it.to_string(), json!(1))).collect();
    let reply = fixture
        .send(
            &Method::PUT,
            "/api/v1/cart",
            json!(one_too_many).to_string(),
        )
        .await;
    assert!(
        reply.text().contains("more than 64 members"),
        "{}",
        reply.text()
    );
    fixture.finish().await;
}

#[tokio::test]
async fn a_query_of_many_parameters_has_a_short_answer() {
    let fixture = Fixture::new().await;
    for query in [
        "a&".repeat(29_900),
        "status=x&".repeat(6_000),
        "a".repeat(60_000),
        format!("{}=1", "%01".repeat(19_000)),
    ] {
        let reply = fixture.client.get(&format!("/api/v1/orders?{query}")).await;
        assert_eq!(reply.status, 400);
        assert_small(&reply, &query[..20]);
    }
    let sixteen = fixture
        .client
        .get(&format!("/api/v1/orders?{}", "a&".repeat(15)))
        .await;
    assert_eq!(sixteen.bad_fields().len(), 15);
    let seventeen = fixture
        .client
        .get(&format!("/api/v1/orders?{}a", "a&".repeat(16)))
        .await;
    assert_eq!(seventeen.bad_fields(), [""]);
}

#[tokio::test]
async fn a_cart_that_breaks_very_many_rules_hears_of_those_that_fit() {
    let fixture = Fixture::new().await;
    let mut cart = fixture.cart.clone();
    let line =
        |_| json!({ "product_id": Uuid::now_v7(), "vendor_store_id": Uuid::now_v7(), "qty": 1 });
    let code = |_| json!({ "vendor_store_id": Uuid::now_v7(), "code": "É".repeat(255) });
    cart["items"] = (0..200).map(line).collect();
    cart["discounts"] = (0..200).map(code).collect();
    let reply = fixture
        .send(&Method::PUT, "/api/v1/cart", cart.to_string())
        .await;
    assert_eq!(reply.code(), "CART_INVALID");
    assert_small(&reply, "violations");
    let details = &reply.json()["error"]["details"];
    let told = details["violations"].as_array().unwrap().len();
    let more = details["more"]
        .as_u64()
        .map_or(0, |more| usize::try_from(more).unwrap());
    // One violation for each line and each code, and the totals'.
    assert!(told + more >= 400, "{told} + {more}");
    assert!(told >= 200, "{told}");
    fixture.finish().await;
}

/// A caller that may not change the cart gets 403, whatever is wrong with the request, and learns
/// nothing else about it.
#[tokio::test]
async fn the_gate_is_asked_before_problems_are_told() {
    let fixture = Fixture::new().await;
    let viewer = fixture
        .world
        .market
        .colleague(&fixture.buyer, "viewer")
        .await;
    let client = fixture.world.client(&viewer);
    let body = Value::Array(vec![json!({}); 50_000]).to_string();
    for (method, path) in ROUTES {
        let request = client
            .request(method, path)
            .header("Idempotency-Key", fresh_key())
            .header("Content-Type", "application/json")
            .body(body.clone());
        let reply = crate::support::Client::send(request).await;
        assert_eq!(
            (reply.status, reply.code().as_str()),
            (403, "FORBIDDEN"),
            "{path}"
        );
        assert_eq!(reply.json()["error"]["details"], Value::Null);
    }
}
