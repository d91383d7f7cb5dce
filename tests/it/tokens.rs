//! Tokens that are signed correctly and still refused, the cost of refused ones, and the messages about
//! them.

use std::{process::Command, time::Duration};

use chrono::Utc;
use jsonwebtoken::Header;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{
    Buyer, Reply, Server, World,
    keys::{KeyFile, KeyPair},
    server::token_for,
    wait,
};

const AT_ONCE: (&str, &str) = ("SPLITCART_RELOAD_FILES_MS", "10");
const NO_SECRET: (&str, &str) = ("SPLITCART_AUTH_HS256_SECRET", "");
const JWKS: &str = "SPLITCART_AUTH_JWKS_FILE";
const LIMITS: (&str, &str) = ("SPLITCART_RATE_LIMIT", "on");

fn claims(buyer: &Buyer) -> Value {
    let now = Utc::now().timestamp();
    json!({
        "sub": buyer.user_id,
        "active_store_id": buyer.store_id,
        "iss": "splitcart",
        "iat": now,
        "exp": now + 600,
    })
}

fn with(buyer: &Buyer, claim: &str, value: impl Into<Value>) -> Value {
    let mut claims = claims(buyer);
    claims[claim] = value.into();
    claims
}

async fn ask(server: &Server, token: &str) -> Reply {
    server.stranger().with_token(Some(token)).get_cart().await
}

/// Asserts the answer to a token. An accepted token gets 404: no store has a cart here.
async fn assert_answers(server: &Server, token: &str, status: u16, message: &str) {
    let reply = ask(server, token).await;
    assert_eq!(reply.status, status, "{}", reply.text());
    assert!(
        reply.text().contains(message),
        "{message}: {}",
        reply.text()
    );
}

/// A good token with an invalid signature, a different one each time.
fn with_a_wrong_signature(token: &str) -> String {
    let (message, signature) = token.rsplit_once('.').unwrap();
    let junk = Uuid::now_v7().simple().to_string();
    format!("{message}.{junk}{}", &signature[junk.len()..])
}

#[tokio::test]
async fn wrong_signatures_are_limited_and_who_is_known_is_not_locked_out() {
    let settings = [
        LIMITS,
        ("SPLITCART_LIMITS_REFUSED_TOKENS_PER_S", "1"),
        ("SPLITCART_LIMITS_REFUSED_TOKENS_BURST", "5"),
    ];
    let world = World::with_settings(&settings).await;
    let (known, stranger) = (world.market.buyer().await, world.market.buyer().await);
    let server = &world.server;
    let good = token_for(&known);
    assert_eq!(ask(server, &good).await.status, 404);

    let mut refused = 0;
    let limited = loop {
        let reply = ask(server, &with_a_wrong_signature(&good)).await;
        if reply.status != 401 {
            break reply;
        }
        refused += 1;
        assert!(refused < 100, "nothing is limited");
    };

    assert!((5..=20).contains(&refused), "{refused}");
    assert_eq!(
        (limited.status, limited.code().as_str()),
        (429, "RATE_LIMITED")
    );
    assert!(!limited.header("retry-after").is_empty());
    // From the same address, a token that was accepted before is accepted again, any number of times.
    for _ in 0..20 {
        assert_eq!(ask(server, &good).await.status, 404);
    }
    // A token that can be refused without its signature costs nothing, and is answered as before.
    let mut parts: Vec<_> = good.split('.').collect();
    parts[0] = "eyJhbGciOiJub25lIn0";
    assert_eq!(ask(server, &parts.join(".")).await.status, 401);
    assert_eq!(ask(server, "garbage").await.status, 401);
    let metric = "splitcart_http_rate_limited_total{limit=\"refused_tokens\"}";
    assert!(server.metric(metric).await >= 1.0);
    // The allowance is restored over time.
    let fresh = token_for(&stranger);
    wait::until("a new token is looked at again", async || {
        ask(server, &fresh).await.status == 404
    })
    .await;
}

#[tokio::test]
async fn the_same_wrong_token_is_looked_at_once() {
    let settings = [
        LIMITS,
        ("SPLITCART_LIMITS_REFUSED_TOKENS_PER_S", "1"),
        ("SPLITCART_LIMITS_REFUSED_TOKENS_BURST", "2"),
    ];
    let world = World::with_settings(&settings).await;
    let wrong = with_a_wrong_signature(&token_for(&world.market.buyer().await));
    for _ in 0..50 {
        assert_eq!(ask(&world.server, &wrong).await.status, 401);
    }
}

#[tokio::test]
async fn a_token_may_live_as_long_as_is_configured() {
    let settings = [("SPLITCART_AUTH_LIFETIME_S_MAX", "900")];
    let world = World::with_settings(&settings).await;
    let pair = |claims: &Value| hs256(claims);
    let buyer = world.market.buyer().await;
    let now = Utc::now().timestamp();
    let server = &world.server;

    assert_answers(server, &pair(&claims(&buyer)), 404, "").await;
    // Some seconds less than 15 minutes: `exp` is computed from a later `now`.
    assert_answers(server, &pair(&with(&buyer, "iat", now - 270)), 404, "").await;
    let longer = pair(&with(&buyer, "exp", now + 3600));
    assert_answers(server, &longer, 401, "lives longer than is taken here").await;
    let mut without = claims(&buyer);
    without.as_object_mut().unwrap().remove("iat").unwrap();
    assert_answers(server, &pair(&without), 401, "The token has no `iat`").await;
    let later = pair(&with(&buyer, "iat", now + 590));
    assert_answers(server, &later, 401, "not valid yet").await;
}

fn hs256(claims: &Value) -> String {
    use crate::support::server::SECRET;
    let key = jsonwebtoken::EncodingKey::from_secret(SECRET.as_bytes());
    jsonwebtoken::encode(&Header::new(jsonwebtoken::Algorithm::HS256), claims, &key).unwrap()
}

#[tokio::test]
async fn a_token_of_another_type_of_the_same_issuer_is_refused_where_a_type_is_set() {
    let pair = KeyPair::ed25519();
    let file = KeyFile::of_set(&[pair.jwk("one")]);
    let settings = [
        NO_SECRET,
        (JWKS, &file.name()),
        ("SPLITCART_AUTH_TYP", "at+jwt"),
    ];
    let world = World::with_settings(&settings).await;
    let claims = claims(&world.market.buyer().await);
    let token = |typ: Option<&str>| {
        let mut header = Header::new(pair.algorithm);
        header.kid = Some("one".to_owned());
        header.typ = typ.map(str::to_owned);
        pair.sign_with(&header, &claims)
    };
    for typ in ["at+jwt", "AT+JWT", "application/at+jwt"] {
        assert_answers(&world.server, &token(Some(typ)), 404, "").await;
    }
    for typ in [None, Some("JWT"), Some("rt+jwt"), Some("")] {
        assert_answers(&world.server, &token(typ), 401, "another type (`typ`)").await;
    }
}

/// RFC 9864: an algorithm's name includes the curve.
#[tokio::test]
async fn ed25519_has_two_names_in_key_sets_and_in_tokens() {
    let (pair, other) = (KeyPair::ed25519(), KeyPair::ed25519());
    let mut jwk = pair.jwk("one");
    jwk["alg"] = json!("Ed25519");
    let mut confused = KeyPair::p256().jwk("p");
    confused["alg"] = json!("Ed25519");
    let mut unknown = KeyPair::rsa().jwk("r");
    unknown["alg"] = json!("RS1024");
    let file = KeyFile::of_set(&[jwk, confused, unknown]);
    let world = World::with_settings(&[NO_SECRET, (JWKS, &file.name())]).await;
    let claims = claims(&world.market.buyer().await);
    let server = &world.server;

    let by_its_old_name = pair.sign(Some("one"), &claims);
    assert_answers(server, &by_its_old_name, 404, "").await;
    assert_answers(server, &named_ed25519(&pair, &claims), 404, "").await;
    let by_another = named_ed25519(&other, &claims);
    assert_answers(server, &by_another, 401, "signature is not one of ours").await;
    for told in [
        "its `alg` is \\\"Ed25519\\\"); keys of its kind are used for ES256 here",
        "its `alg` is \\\"RS1024\\\"); keys of its kind are used for RS256 here",
    ] {
        server.until_logged(told).await;
    }
}

/// A token signed under the name `Ed25519`, which the library does not know.
fn named_ed25519(pair: &KeyPair, claims: &Value) -> String {
    use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let header = json!({ "alg": "Ed25519", "kid": "one" });
    let message = format!("{}.{}", part(&header), part(claims));
    let signature = pair.sign_message(message.as_bytes());
    format!("{message}.{signature}")
}

#[tokio::test]
async fn an_empty_list_of_keys_trusts_nobody_and_the_metrics_tell_how_the_file_is() {
    let pair = KeyPair::ed25519();
    let file = KeyFile::of_set(&[pair.jwk("one")]);
    let world = World::with_settings(&[NO_SECRET, AT_ONCE, (JWKS, &file.name())]).await;
    let token = pair.sign(Some("one"), &claims(&world.market.buyer().await));
    let server = &world.server;
    let ok = async || {
        server
            .metric("splitcart_watched_file_ok{setting=\"auth.jwks_file\"}")
            .await
    };
    let read = "splitcart_watched_file_read_timestamp_seconds{setting=\"auth.jwks_file\"}";
    assert_eq!(ask(server, &token).await.status, 404);
    wait::until("the file is watched", async || ok().await > 0.0).await;

    file.replace_set(&[]);
    wait::until("no key is trusted", async || {
        ask(server, &token).await.status == 401
    })
    .await;
    assert!(
        (ok().await - 1.0).abs() < f64::EPSILON,
        "an empty list is in order"
    );
    server
        .until_logged("no token is taken until it has some")
        .await;

    file.replace("{");
    wait::until("the file is said to be broken", async || ok().await < 0.5).await;
    let read_at = server.metric(read).await;
    file.replace_set(&[pair.jwk("one")]);
    wait::until("the key is trusted again", async || {
        ask(server, &token).await.status == 404
    })
    .await;
    wait::until("the file is in order again", async || {
        ok().await > 0.5 && server.metric(read).await > read_at
    })
    .await;
}

/// Opening a pipe waits for its other end, without limit if there is none.
#[tokio::test]
async fn a_watched_file_that_would_block_is_reported_and_holds_nothing_up() {
    let pair = KeyPair::ed25519();
    let file = KeyFile::of_set(&[pair.jwk("one")]);
    let mut world = World::with_settings(&[NO_SECRET, AT_ONCE, (JWKS, &file.name())]).await;
    let token = pair.sign(Some("one"), &claims(&world.market.buyer().await));
    std::fs::remove_file(file.path()).unwrap();
    let made = Command::new("mkfifo").arg(file.path()).status().unwrap();
    assert!(made.success());
    let complained = |text: &str| world.server.log().iter().any(|line| line.contains(text));

    wait::until("it is reported", async || {
        complained("it is no regular file")
    })
    .await;
    assert_eq!(ask(&world.server, &token).await.status, 404);
    std::fs::remove_file(file.path()).unwrap();
    file.replace_set(&[KeyPair::ed25519().jwk("two")]);
    wait::until("a good one is used", async || {
        ask(&world.server, &token).await.status == 401
    })
    .await;

    std::fs::remove_file(file.path()).unwrap();
    let made = Command::new("mkfifo").arg(file.path()).status().unwrap();
    assert!(made.success());
    tokio::time::timeout(Duration::from_secs(20), async {
        world.server.terminate();
        world.server.ended().await
    })
    .await
    .expect("the process ends");
}

#[tokio::test]
async fn the_log_and_the_metrics_tell_why_nobody_was_let_in() {
    let world = World::start().await;
    let buyer = world.market.buyer().await;
    let viewer = world.market.colleague(&buyer, "viewer").await;
    let now = Utc::now().timestamp();
    let server = &world.server;
    let mut nowhere = claims(&buyer);
    nowhere
        .as_object_mut()
        .unwrap()
        .remove("active_store_id")
        .unwrap();
    let cases = [
        ("expired", hs256(&with(&buyer, "exp", now - 60))),
        ("not_yet", hs256(&with(&buyer, "nbf", now + 60))),
        ("issuer", hs256(&with(&buyer, "iss", "somebody"))),
        ("claims", hs256(&with(&buyer, "sub", "me"))),
        ("signature", with_a_wrong_signature(&token_for(&buyer))),
        ("malformed", "garbage".to_owned()),
        ("no_active_store", hs256(&nowhere)),
        (
            "not_a_member",
            hs256(&with(&buyer, "sub", Uuid::now_v7().to_string())),
        ),
    ];
    for (reason, token) in &cases {
        let status = ask(server, token).await.status;
        assert!([401, 403].contains(&status), "{reason}: {status}");
    }
    assert_eq!(server.stranger().get_cart().await.status, 401);
    let refused = server.client(&viewer).put_cart("k", &json!({})).await;
    assert_eq!(refused.status, 403);

    let reasons = cases.iter().map(|(reason, _)| *reason);
    for reason in reasons.chain(["no_token", "role"]) {
        let metric = format!("splitcart_auth_refused_total{{reason=\"{reason}\"}}");
        assert!(
            (server.metric(&metric).await - 1.0).abs() < f64::EPSILON,
            "{metric}"
        );
        let field = format!("\"auth.reason\":\"{reason}\"");
        wait::until("the line is written", async || {
            server.log().iter().any(|line| line.contains(&field))
        })
        .await;
    }
    // A reason that did not occur begins at zero.
    let (_, metrics) = server.operations("/metrics").await;
    assert!(
        metrics.contains("splitcart_auth_refused_total{reason=\"audience\"} 0"),
        "{metrics}"
    );
}

/// An identity provider signs tokens for many applications.
#[tokio::test]
async fn a_key_set_without_an_audience_is_warned_of() {
    let file = KeyFile::of_set(&[KeyPair::ed25519().jwk("one")]);
    let warned = |server: &Server| {
        let mut log = server.log().into_iter();
        log.any(|line| line.contains("auth.audience") && line.contains("\"WARN\""))
    };
    let world = World::with_settings(&[NO_SECRET, (JWKS, &file.name())]).await;
    assert!(warned(&world.server));
    let audience = ("SPLITCART_AUTH_AUDIENCE", "splitcart");
    let world = World::with_settings(&[NO_SECRET, audience, (JWKS, &file.name())]).await;
    assert!(!warned(&world.server));
}
