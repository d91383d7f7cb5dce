//! Limits on the requests of one address and of one person, and the answers' headers about them.

use std::time::Duration;

use reqwest::Method;
use serde_json::json;

use crate::support::{Client, Reply, World, client::fresh_key, market::cart_of, wait};

const ON: (&str, &str) = ("SPLITCART_RATE_LIMIT", "on");
/// The allowance grows by one each second: no test pauses that long between two requests by accident, and
/// a test that depends on the pause ensures it.
const SLOW_ADDRESS: (&str, &str) = ("SPLITCART_LIMITS_ADDRESS_PER_S", "1");
const SLOW_USER: (&str, &str) = ("SPLITCART_LIMITS_USER_PER_S", "1");

fn is_limited(reply: &Reply) -> bool {
    let limited = reply.status == 429;
    if limited {
        assert_eq!(reply.code(), "RATE_LIMITED");
        let wait: u32 = reply.header("retry-after").parse().unwrap();
        // Two seconds at most, and two more by which a crowd is spread.
        assert!((1..=4).contains(&wait), "{wait}");
    }
    limited
}

/// The `r` of a limit, read from the field.
fn left(reply: &Reply, limit: &str) -> Option<u32> {
    let field = reply.header("ratelimit");
    let item = field
        .split(", ")
        .find(|it| it.starts_with(&format!("\"{limit}\"")))?;
    let parameter = item.split(';').find_map(|it| it.strip_prefix("r="))?;
    Some(parameter.parse().unwrap())
}

/// Sends requests until one is refused; returns the number of those that were accepted.
async fn exhaust(ask: impl AsyncFn() -> Reply) -> u32 {
    for taken in 0..1000 {
        if is_limited(&ask().await) {
            return taken;
        }
    }
    panic!("nothing is limited");
}

#[tokio::test]
async fn one_request_too_many_of_a_user_is_refused_and_others_are_not() {
    let world = World::with_settings(&[ON, SLOW_USER, ("SPLITCART_LIMITS_USER_BURST", "5")]).await;
    let market = &world.market;
    let (buyer, other) = (market.buyer().await, market.buyer().await);
    let client = world.client(&buyer);
    let cart = cart_of(&[(market.sold_product(500, 9).await, 1)]);
    let key = fresh_key();
    assert_eq!(client.put_cart(&key, &cart).await.status, 200);

    let taken = exhaust(async || client.get_cart().await).await;

    // The burst less the PUT, plus the allowance that was restored meanwhile.
    assert!((4..=9).contains(&taken), "{taken}");
    assert_eq!(world.client(&other).get_cart().await.status, 404);
    // The limit is the person's, on any route, and the refused request has no effect.
    let before = market.database.contents().await;
    let refused = async || client.put_cart(&key, &cart).await;
    wait::until("a PUT is refused, too", async || {
        is_limited(&refused().await)
    })
    .await;
    assert_eq!(market.database.contents().await, before);
    // The allowance is restored over time: the very same request is then answered.
    wait::until("the same request goes through", async || {
        refused().await.status == 200
    })
    .await;
    let metric = "splitcart_http_rate_limited_total{limit=\"user\"}";
    assert!(world.server.metric(metric).await >= 2.0);
}

#[tokio::test]
async fn every_answer_tells_what_is_left() {
    let world = World::with_settings(&[ON]).await;
    let client = world.client(&world.market.buyer().await);
    let stranger = world.server.stranger();
    let address = "\"address\";q=50000;w=5";
    let both = "\"address\";q=50000;w=5, \"user\";q=1000;w=5";

    for (reply, policy) in [
        (client.get_cart().await, both),
        (client.put_cart(&fresh_key(), &json!({})).await, both),
        (stranger.get_cart().await, address),
        (stranger.get("/nowhere").await, address),
        (stranger.get("/openapi.json").await, address),
        (
            Client::send(stranger.request(Method::DELETE, "/api/v1/cart")).await,
            address,
        ),
    ] {
        assert_eq!(reply.header("ratelimit-policy"), policy, "{}", reply.text());
        let known = policy == both;
        assert_eq!(left(&reply, "user").is_some(), known);
        let left = left(&reply, "address").unwrap();
        assert!((49_900..50_000).contains(&left), "{left}");
        assert!(
            reply.header("ratelimit").contains(";t=1"),
            "{:?}",
            reply.headers
        );
    }
}

#[tokio::test]
async fn an_address_is_limited_before_anything_else_is_looked_at() {
    let world =
        World::with_settings(&[ON, SLOW_ADDRESS, ("SPLITCART_LIMITS_ADDRESS_BURST", "5")]).await;
    let client = world.client(&world.market.buyer().await);
    let stranger = world.server.stranger();

    let taken = exhaust(async || stranger.get_cart().await).await;

    assert!((5..=9).contains(&taken), "{taken}");
    // A good token makes no difference, and the user's limit is not touched.
    wait::until("a good token is refused, too", async || {
        let reply = client.get_cart().await;
        is_limited(&reply) && left(&reply, "user").is_none() && left(&reply, "address") == Some(0)
    })
    .await;
    // The private listener has no limits.
    for _ in 0..20 {
        assert_eq!(world.server.operations("/livez").await.0, 200);
    }
}

/// A token with a wrong signature does not count against the person that it names.
#[tokio::test]
async fn nobody_can_use_up_what_is_another_s() {
    let world = World::with_settings(&[ON, SLOW_USER, ("SPLITCART_LIMITS_USER_BURST", "5")]).await;
    let buyer = world.market.buyer().await;
    let good = crate::support::server::token_for(&buyer);
    let forged = format!("{}.AAAA", good.rsplit_once('.').unwrap().0);
    let liar = world.server.stranger().with_token(Some(&forged));

    for _ in 0..20 {
        assert_eq!(liar.get_cart().await.status, 401);
    }

    let reply = world.client(&buyer).get_cart().await;
    assert_eq!((reply.status, left(&reply, "user")), (404, Some(4)));
}

#[tokio::test]
async fn off_nothing_is_limited_and_nothing_told() {
    let world = World::with_settings(&[
        ("SPLITCART_RATE_LIMIT", "off"),
        ("SPLITCART_LIMITS_USER_BURST", "1"),
        ("SPLITCART_LIMITS_ADDRESS_BURST", "1"),
    ])
    .await;
    let client = world.client(&world.market.buyer().await);
    for _ in 0..20 {
        let reply = client.get_cart().await;
        assert_eq!(reply.status, 404);
        assert_eq!(reply.header("ratelimit"), "");
        assert_eq!(reply.header("ratelimit-policy"), "");
    }
}

/// Sends a request that looks as if a proxy had passed it on.
async fn forwarded(client: &Client, header: &str) -> Reply {
    let request = client.request(Method::GET, "/api/v1/cart");
    Client::send(request.header("X-Forwarded-For", header)).await
}

#[tokio::test]
async fn a_forwarded_address_counts_only_if_the_proxy_is_trusted() {
    let few = [ON, SLOW_ADDRESS, ("SPLITCART_LIMITS_ADDRESS_BURST", "5")];
    let world = World::with_settings(&few).await;
    let stranger = world.server.stranger();

    // A client that makes addresses up still counts as one address.
    let mut taken = 0;
    while !is_limited(&forwarded(&stranger, &format!("203.0.113.{taken}")).await) {
        taken += 1;
        assert!(taken < 20, "made-up addresses are believed");
    }

    let trusting = [
        few.as_slice(),
        &[("SPLITCART_HTTP_TRUSTED_PROXIES", "10.0.0.0/8,127.0.0.1")],
    ];
    let world = World::with_settings(&trusting.concat()).await;
    let stranger = world.server.stranger();
    for host in 0..20 {
        let reply = forwarded(&stranger, &format!("198.51.100.9, 203.0.113.{host}")).await;
        assert_eq!(
            (reply.status, left(&reply, "address")),
            (401, Some(4)),
            "{host}"
        );
    }
    // One client behind the proxy has a limit of its own, whatever addresses it adds to the left of its
    // own.
    let taken = exhaust(async || {
        forwarded(
            &stranger,
            &format!("{}, 203.0.113.99, 10.1.1.1", fresh_key()),
        )
        .await
    })
    .await;
    assert!((5..=9).contains(&taken), "{taken}");
    // Without a header, or with an invalid one, the request counts for the proxy itself.
    let reply = stranger.get_cart().await;
    assert_eq!(left(&reply, "address"), Some(4));
    let reply = forwarded(&stranger, "unknown").await;
    assert!(left(&reply, "address") < Some(5));
    let reply = stranger.get_cart().await;
    assert!(
        left(&reply, "address") < Some(4),
        "both were the same address"
    );
    // Hosts of one IPv6 network count as one.
    for host in 0..20_u32 {
        let reply = forwarded(&stranger, &format!("2001:db8::{host:x}")).await;
        if is_limited(&reply) {
            return;
        }
    }
    panic!("one IPv6 network is not limited");
}

#[tokio::test]
async fn discount_codes_can_not_be_guessed_without_end() {
    let settings = [
        ON,
        ("SPLITCART_LIMITS_CODE_GUESSES_PER_MINUTE", "60"),
        ("SPLITCART_LIMITS_CODE_GUESSES_BURST", "10"),
    ];
    let world = World::with_settings(&settings).await;
    let (guesser, other) = (world.market.buyer().await, world.market.buyer().await);
    let product = world.market.sold_product(500, 9).await;
    let with_code = |code: &str| {
        let mut cart = cart_of(&[(product, 1)]);
        cart["discounts"] = json!([{ "vendor_store_id": product.vendor.store_id, "code": code }]);
        cart
    };
    let client = world.client(&guesser);
    let taken = exhaust(async || {
        client
            .put_cart(&fresh_key(), &with_code(&fresh_key()))
            .await
    })
    .await;
    assert!((10..=20).contains(&taken), "{taken}");
    // The limit applies to that user, and to carts with codes only.
    assert_eq!(
        client
            .put_cart(&fresh_key(), &cart_of(&[(product, 1)]))
            .await
            .status,
        200
    );
    let reply = world
        .client(&other)
        .put_cart(&fresh_key(), &with_code("NONE"))
        .await;
    assert_eq!(reply.violations(), ["discount_not_found"]);
}

#[tokio::test]
async fn what_was_taken_is_given_back() {
    let settings = [
        ON,
        ("SPLITCART_LIMITS_USER_PER_S", "20"),
        ("SPLITCART_LIMITS_USER_BURST", "2"),
    ];
    let world = World::with_settings(&settings).await;
    let client = world.client(&world.market.buyer().await);
    exhaust(async || client.get_cart().await).await;
    let started = std::time::Instant::now();
    wait::until("one more is accepted", async || {
        client.get_cart().await.status == 404
    })
    .await;
    assert!(started.elapsed() < Duration::from_secs(5));
}
