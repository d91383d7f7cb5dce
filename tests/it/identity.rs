//! Authentication and authorisation: tokens that are refused (401), people and stores that may not (403).

use chrono::Utc;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{
    Buyer, Client, Reply, World,
    client::fresh_key,
    market::cart_of,
    server::{SECRET, token_for},
};

/// The claims of a good token.
fn claims(buyer: &Buyer) -> Value {
    json!({
        "sub": buyer.user_id,
        "active_store_id": buyer.store_id,
        "iss": "splitcart",
        "exp": Utc::now().timestamp() + 600,
    })
}

fn without(buyer: &Buyer, claim: &str) -> Value {
    let mut claims = claims(buyer);
    claims.as_object_mut().unwrap().remove(claim).unwrap();
    claims
}

fn with(buyer: &Buyer, claim: &str, value: Value) -> Value {
    let mut claims = claims(buyer);
    claims[claim] = value;
    claims
}

fn sign_as(algorithm: Algorithm, secret: &str, claims: &Value) -> String {
    let key = EncodingKey::from_secret(secret.as_bytes());
    jsonwebtoken::encode(&Header::new(algorithm), claims, &key).unwrap()
}

fn sign(claims: &Value) -> String {
    sign_as(Algorithm::HS256, SECRET, claims)
}

/// A good token with one of its parts replaced.
fn spliced(token: &str, part: usize, other: &str) -> String {
    let mut parts: Vec<_> = token.split('.').collect();
    parts[part] = other;
    parts.join(".")
}

/// Sends every route of the API a request that is valid except for the caller.
async fn on_every_route(client: &Client, cart: &Value) -> Vec<Reply> {
    let group = format!("/api/v1/checkout-groups/{}", Uuid::now_v7());
    let checkout = json!({ "cart_id": Uuid::now_v7() });
    vec![
        client.put_cart(&fresh_key(), cart).await,
        client.get_cart().await,
        Client::send(client.checkout_request(&fresh_key(), &checkout)).await,
        client.get(&group).await,
    ]
}

#[tokio::test]
#[expect(clippy::too_many_lines, reason = "a table, one token after the other")]
async fn a_token_that_is_not_one_of_ours_is_refused() {
    let world = World::start().await;
    let buyer = world.market.buyer().await;
    let cart = cart_of(&[(world.market.sold_product(500, 9).await, 1)]);
    let good = token_for(&buyer);
    let now = Utc::now().timestamp();
    // {"alg":"none","typ":"JWT"} and {"alg":"None"}.
    let (none, other_none) = ("eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0", "eyJhbGciOiJOb25lIn0");
    let payload = good.split('.').nth(1).unwrap();
    let tokens = [
        ("garbage", "garbage".to_owned()),
        ("two parts", good.rsplit_once('.').unwrap().0.to_owned()),
        ("four parts", format!("{good}.x")),
        ("no signature", spliced(&good, 2, "")),
        (
            "another's signature",
            spliced(
                &good,
                2,
                sign(&with(&buyer, "iat", json!(1)))
                    .rsplit('.')
                    .next()
                    .unwrap(),
            ),
        ),
        ("alg none", format!("{none}.{payload}.")),
        ("alg none, signed", spliced(&good, 0, none)),
        ("alg None", format!("{other_none}.{payload}.")),
        ("HS384", sign_as(Algorithm::HS384, SECRET, &claims(&buyer))),
        ("HS512", sign_as(Algorithm::HS512, SECRET, &claims(&buyer))),
        (
            "another key",
            sign_as(
                Algorithm::HS256,
                "another-secret-0123456789-0123456789",
                &claims(&buyer),
            ),
        ),
        (
            "the empty key",
            sign_as(Algorithm::HS256, "", &claims(&buyer)),
        ),
        ("expired", sign(&with(&buyer, "exp", json!(now - 31)))),
        ("exp no time", sign(&with(&buyer, "exp", json!(i64::MAX)))),
        ("exp far away", sign(&with(&buyer, "exp", json!(1e300)))),
        ("nbf null", sign(&with(&buyer, "nbf", json!(null)))),
        (
            "iss a list",
            sign(&with(&buyer, "iss", json!(["splitcart"]))),
        ),
        (
            "iss a list with ours",
            sign(&with(&buyer, "iss", json!(["somebody", "splitcart"]))),
        ),
        (
            "longer than is read",
            sign(&with(&buyer, "jti", json!("x".repeat(16_000)))),
        ),
        ("expired long ago", sign(&with(&buyer, "exp", json!(0)))),
        (
            "not valid yet",
            sign(&with(&buyer, "nbf", json!(now + 600))),
        ),
        ("no exp", sign(&without(&buyer, "exp"))),
        ("exp null", sign(&with(&buyer, "exp", json!(null)))),
        (
            "exp a text",
            sign(&with(&buyer, "exp", json!("2999-01-01"))),
        ),
        ("exp negative", sign(&with(&buyer, "exp", json!(-1)))),
        ("no iss", sign(&without(&buyer, "iss"))),
        (
            "another issuer",
            sign(&with(&buyer, "iss", json!("somebody"))),
        ),
        (
            "another issuer's case",
            sign(&with(&buyer, "iss", json!("Splitcart"))),
        ),
        ("no sub", sign(&without(&buyer, "sub"))),
        ("sub no id", sign(&with(&buyer, "sub", json!("me")))),
        ("sub empty", sign(&with(&buyer, "sub", json!("")))),
        ("sub a number", sign(&with(&buyer, "sub", json!(7)))),
        (
            "store no id",
            sign(&with(&buyer, "active_store_id", json!("ours"))),
        ),
        (
            "store empty",
            sign(&with(&buyer, "active_store_id", json!(""))),
        ),
        (
            "store a list",
            sign(&with(&buyer, "active_store_id", json!([buyer.store_id]))),
        ),
        ("no claims", sign(&json!({}))),
        ("claims a list", sign(&json!([]))),
    ];
    let before = world.market.database.contents().await;

    for (what, token) in &tokens {
        let client = world.server.stranger().with_token(Some(token));
        for reply in on_every_route(&client, &cart).await {
            assert_unauthorized(&reply, what);
            assert_eq!(
                reply.header("www-authenticate"),
                "Bearer error=\"invalid_token\"",
                "{what}"
            );
        }
    }
    for reply in on_every_route(&world.server.stranger(), &cart).await {
        assert_unauthorized(&reply, "none");
        // RFC 6750, 3.1: a client that has sent no token gets no further details.
        assert_eq!(reply.header("www-authenticate"), "Bearer");
    }

    assert_eq!(world.market.database.contents().await, before);
    assert_eq!(
        world
            .client(&buyer)
            .put_cart(&fresh_key(), &cart)
            .await
            .status,
        200
    );
}

#[tokio::test]
async fn the_token_comes_in_the_authorization_header_as_a_bearer() {
    let world = World::start().await;
    let buyer = world.market.buyer().await;
    let cart = cart_of(&[(world.market.sold_product(500, 9).await, 1)]);
    world.client(&buyer).freeze(&cart).await;
    let token = token_for(&buyer);
    let stranger = world.server.stranger();
    let ask = |header: &'static str, value: String| {
        Client::send(
            stranger
                .request(Method::GET, "/api/v1/cart")
                .header(header, value),
        )
    };

    for (header, value) in [
        ("Authorization", token.clone()),
        ("Authorization", format!("Basic {token}")),
        ("Authorization", "Bearer".to_owned()),
        ("Authorization", "Bearer ".to_owned()),
        ("Authorization", format!("Token {token}")),
        ("X-Authorization", format!("Bearer {token}")),
        ("Cookie", format!("token={token}")),
    ] {
        assert_unauthorized(&ask(header, value).await, header);
    }
    let query = format!("/api/v1/cart?access_token={token}");
    assert_unauthorized(&stranger.get(&query).await, "in the query");
    // The scheme's case does not matter (RFC 9110, 11.1).
    for scheme in ["Bearer", "bearer", "BEARER"] {
        let reply = ask("Authorization", format!("{scheme} {token}")).await;
        assert_eq!(reply.status, 200, "{scheme}");
    }
}

#[tokio::test]
async fn only_an_active_member_of_a_buyer_is_let_in() {
    let world = World::start().await;
    let market = &world.market;
    let cart = cart_of(&[(market.sold_product(500, 9).await, 1)]);
    for statement in [
        "update store_memberships set status = 'invited' where user_id = {user}",
        "update store_memberships set status = 'removed' where user_id = {user}",
        "delete from store_memberships where user_id = {user}",
        "update users set is_active = false where id = {user}",
        "update stores set type = 'vendor' where id = {store}",
    ] {
        let buyer = market.buyer().await;
        let client = world.client(&buyer);
        assert_eq!(client.put_cart(&fresh_key(), &cart).await.status, 200);
        let change = statement
            .replace("{user}", &format!("'{}'", buyer.user_id))
            .replace("{store}", &format!("'{}'", buyer.store_id));
        market.database.run(&change).await;

        // The change takes effect at once: nothing is cached from the request before.
        for reply in on_every_route(&client, &cart).await {
            assert_forbidden(&reply, statement);
        }
    }
}

#[tokio::test]
async fn a_token_for_nobody_or_for_a_foreign_store_is_forbidden() {
    let world = World::start().await;
    let market = &world.market;
    let (buyer, other) = (market.buyer().await, market.buyer().await);
    let product = market.sold_product(500, 9).await;
    let cart = cart_of(&[(product, 1)]);
    let vendor = product.vendor.store_id;
    let tokens = [
        ("no active store", sign(&without(&buyer, "active_store_id"))),
        (
            "a null store",
            sign(&with(&buyer, "active_store_id", json!(null))),
        ),
        (
            "unknown user",
            sign(&with(&buyer, "sub", json!(Uuid::now_v7()))),
        ),
        (
            "unknown store",
            sign(&with(&buyer, "active_store_id", json!(Uuid::now_v7()))),
        ),
        (
            "another's store",
            sign(&with(&buyer, "active_store_id", json!(other.store_id))),
        ),
        (
            "a vendor's store",
            sign(&with(&buyer, "active_store_id", json!(vendor))),
        ),
        // Role and store type of a token are not trusted.
        ("claims a role", {
            let mut claims = with(&buyer, "active_store_id", json!(other.store_id));
            claims["role"] = json!("owner");
            claims["store_type"] = json!("buyer");
            sign(&claims)
        }),
    ];

    for (what, token) in &tokens {
        let client = world.server.stranger().with_token(Some(token));
        for reply in on_every_route(&client, &cart).await {
            assert_forbidden(&reply, what);
        }
    }
}

/// The owner of a vendor is an active member, but of a store that does not buy.
#[tokio::test]
async fn a_vendor_s_owner_may_not_buy() {
    let world = World::start().await;
    let product = world.market.sold_product(500, 9).await;
    let shop = Buyer {
        user_id: Uuid::now_v7(),
        store_id: product.vendor.store_id,
    };
    let owner = world.market.colleague(&shop, "owner").await;

    for reply in on_every_route(&world.client(&owner), &cart_of(&[(product, 1)])).await {
        assert_forbidden(&reply, "a vendor's owner");
    }
}

#[tokio::test]
async fn roles_decide_who_may_change_the_cart() {
    let world = World::start().await;
    let owner = world.market.buyer().await;
    let product = world.market.sold_product(500, 90).await;
    let cart = cart_of(&[(product, 1)]);
    for (role, may_change) in [
        ("owner", true),
        ("admin", true),
        ("manager", true),
        ("ops", true),
        ("staff", false),
        ("viewer", false),
    ] {
        let client = world.client(&world.market.colleague(&owner, role).await);
        let cart_id = world.client(&owner).freeze(&cart).await;
        let before = world.market.database.contents().await;

        let get = client.get_cart().await;
        let put = client.put_cart(&fresh_key(), &cart).await;
        let checkout = client.check_out(&fresh_key(), cart_id).await;

        assert_eq!(get.status, 200, "{role}");
        if may_change {
            assert_eq!((put.status, checkout.status), (200, 201), "{role}");
            let group = checkout.data()["checkout_group_id"]
                .as_str()
                .unwrap()
                .to_owned();
            let viewer = world.client(&world.market.colleague(&owner, "viewer").await);
            let path = format!("/api/v1/checkout-groups/{group}");
            assert_eq!(viewer.get(&path).await.bytes, checkout.bytes);
        } else {
            assert_forbidden(&put, role);
            assert_forbidden(&checkout, role);
            assert_eq!(world.market.database.contents().await, before);
        }
    }
}

/// Checks go in the order caller, key, body: a caller without permission learns nothing about the rest.
#[tokio::test]
async fn the_caller_is_checked_before_the_key_and_the_key_before_the_body() {
    let world = World::start().await;
    let buyer = world.market.buyer().await;
    let client = world.client(&buyer);
    let viewer = world.client(&world.market.colleague(&buyer, "viewer").await);
    for (method, path) in [
        (Method::PUT, "/api/v1/cart"),
        (Method::POST, "/api/v1/checkout"),
    ] {
        let bad = |client: &Client| client.request(method.clone(), path).body("{ no JSON");

        let nobody = Client::send(bad(&world.server.stranger())).await;
        let forbidden = Client::send(bad(&viewer)).await;
        let no_key = Client::send(bad(&client)).await;
        let without_body = Client::send(bad(&client).header("Idempotency-Key", fresh_key())).await;

        assert_unauthorized(&nobody, path);
        assert_forbidden(&forbidden, path);
        assert_eq!(
            (no_key.status, no_key.bad_fields()),
            (400, vec!["Idempotency-Key".to_owned()])
        );
        assert_eq!(
            (without_body.status, without_body.code().as_str()),
            (415, "UNSUPPORTED_MEDIA_TYPE")
        );
    }
}

fn assert_unauthorized(reply: &Reply, what: &str) {
    assert_eq!(
        (reply.status, reply.code().as_str()),
        (401, "UNAUTHORIZED"),
        "{what}"
    );
    let challenge = reply.header("www-authenticate");
    assert!(challenge.starts_with("Bearer"), "{what}: {challenge}");
}

fn assert_forbidden(reply: &Reply, what: &str) {
    assert_eq!(
        (reply.status, reply.code().as_str()),
        (403, "FORBIDDEN"),
        "{what}"
    );
    assert_eq!(reply.header("www-authenticate"), "");
}
