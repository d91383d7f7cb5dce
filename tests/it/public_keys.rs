//! Tokens that are signed with private keys: the choice of the key and the algorithm, and keys that
//! change while the server runs.

use chrono::Utc;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{
    Buyer, Reply, Server, World,
    client::fresh_key,
    keys::{KeyFile, KeyPair},
    server::{SECRET, refusal_to_start, splitcart},
    wait,
};

/// Changes of a file are seen at once.
const AT_ONCE: (&str, &str) = ("SPLITCART_RELOAD_FILES_MS", "10");
const NO_SECRET: (&str, &str) = ("SPLITCART_AUTH_HS256_SECRET", "");
const JWKS: &str = "SPLITCART_AUTH_JWKS_FILE";
const PEM: &str = "SPLITCART_AUTH_PUBLIC_KEY_FILE";

fn claims(buyer: &Buyer) -> Value {
    json!({
        "sub": buyer.user_id,
        "active_store_id": buyer.store_id,
        "iss": "splitcart",
        "exp": Utc::now().timestamp() + 600,
    })
}

/// A world whose server trusts the keys in a file.
async fn world_with(setting: &str, file: &KeyFile) -> World {
    World::with_settings(&[NO_SECRET, AT_ONCE, (setting, &file.name())]).await
}

/// The request is answered 404 when the token is accepted: no store has a cart here.
async fn get_cart(server: &Server, token: &str) -> Reply {
    server.stranger().with_token(Some(token)).get_cart().await
}

async fn assert_let_in(server: &Server, token: &str, what: &str) {
    let reply = get_cart(server, token).await;
    assert_eq!(
        (reply.status, reply.code().as_str()),
        (404, "NOT_FOUND"),
        "{what}: {}",
        reply.text()
    );
}

async fn assert_refused(server: &Server, token: &str, what: &str) {
    let reply = get_cart(server, token).await;
    let got = (reply.status, reply.code());
    assert_eq!(got, (401, "UNAUTHORIZED".to_owned()), "{what}");
    let challenge = "Bearer error=\"invalid_token\"";
    assert_eq!(reply.header("www-authenticate"), challenge, "{what}");
}

#[tokio::test]
async fn a_key_file_of_each_kind_lets_its_own_tokens_in_and_no_others() {
    let pairs = KeyPair::of_each_kind();
    let others = [KeyPair::rsa_of(2048), KeyPair::p256(), KeyPair::ed25519()];
    for (pair, stranger) in pairs.iter().zip(&others) {
        let file = KeyFile::new(&pair.public_pem);
        let world = world_with(PEM, &file).await;
        let buyer = world.market.buyer().await;
        let claims = claims(&buyer);
        let what = format!("{:?}", pair.algorithm);

        assert_let_in(&world.server, &pair.sign(None, &claims), &what).await;
        // A key in a PEM file has no id, so the token's `kid` is not compared.
        assert_let_in(&world.server, &pair.sign(Some("2026-01"), &claims), &what).await;
        assert_refused(&world.server, &stranger.sign(None, &claims), &what).await;
        for other in pairs
            .iter()
            .filter(|other| other.algorithm != pair.algorithm)
        {
            assert_refused(&world.server, &other.sign(None, &claims), &what).await;
        }
        let client = world
            .server
            .stranger()
            .with_token(Some(&pair.sign(None, &claims)));
        let cart = crate::support::market::cart_of(&[(world.market.sold_product(500, 9).await, 1)]);
        assert_eq!(
            client.put_cart(&fresh_key(), &cart).await.status,
            200,
            "{what}"
        );
    }
}

#[tokio::test]
async fn the_algorithm_is_the_key_s_and_never_the_token_s() {
    for pair in KeyPair::of_each_kind() {
        for (setting, file) in [
            (PEM, KeyFile::new(&pair.public_pem)),
            (JWKS, KeyFile::of_set(&[pair.jwk("one")])),
        ] {
            let world = world_with(setting, &file).await;
            let buyer = world.market.buyer().await;
            let claims = claims(&buyer);
            let good = pair.sign(Some("one"), &claims);
            let payload = good.split('.').nth(1).unwrap();
            let der = pem_bytes(&pair.public_pem);

            assert_let_in(&world.server, &good, "good").await;
            // A verifier that takes the public key for a secret would accept these.
            for (name, secret) in [
                ("the file's text", pair.public_pem.as_bytes()),
                (
                    "without the last line end",
                    pair.public_pem.trim_end().as_bytes(),
                ),
                ("its DER", der.as_slice()),
                ("the secret of before", SECRET.as_bytes()),
                (
                    "the known secret",
                    b"splitcart-development-secret-do-not-use-in-production",
                ),
                ("nothing", b""),
            ] {
                for algorithm in [Algorithm::HS256, Algorithm::HS384, Algorithm::HS512] {
                    let mut header = Header::new(algorithm);
                    header.kid = Some("one".to_owned());
                    let key = EncodingKey::from_secret(secret);
                    let token = jsonwebtoken::encode(&header, &claims, &key).unwrap();
                    assert_refused(&world.server, &token, name).await;
                }
            }
            // {"alg":"none","kid":"one"}, {"alg":"None"}
            for none in ["eyJhbGciOiJub25lIiwia2lkIjoib25lIn0", "eyJhbGciOiJOb25lIn0"] {
                assert_refused(&world.server, &format!("{none}.{payload}."), "none").await;
            }
            if pair.algorithm == Algorithm::RS256 {
                for sibling in [Algorithm::RS384, Algorithm::RS512, Algorithm::PS256] {
                    let mut header = Header::new(sibling);
                    header.kid = Some("one".to_owned());
                    assert_refused(&world.server, &pair.sign_with(&header, &claims), "sibling")
                        .await;
                }
            }
        }
    }
}

fn pem_bytes(pem: &str) -> Vec<u8> {
    use p256::pkcs8::Document;
    Document::from_pem(pem).unwrap().1.into_vec()
}

#[tokio::test]
async fn a_set_tells_its_keys_apart_by_their_ids() {
    let [rsa, p256, ed] = KeyPair::of_each_kind();
    let second = KeyPair::ed25519();
    let file = KeyFile::of_set(&[rsa.jwk("r"), p256.jwk("p"), ed.jwk("e1"), second.jwk("e2")]);
    let world = world_with(JWKS, &file).await;
    let claims = claims(&world.market.buyer().await);
    let server = &world.server;

    for (pair, kid) in [(&rsa, "r"), (&p256, "p"), (&ed, "e1"), (&second, "e2")] {
        assert_let_in(server, &pair.sign(Some(kid), &claims), kid).await;
    }
    // A token without `kid` is accepted only if a single key fits its algorithm.
    assert_let_in(server, &rsa.sign(None, &claims), "the only RSA key").await;
    assert_let_in(server, &p256.sign(None, &claims), "the only P-256 key").await;
    assert_refused(server, &ed.sign(None, &claims), "one of two").await;
    for (what, pair, kid) in [
        ("an unknown id", &ed, "e3"),
        ("an empty id", &ed, ""),
        ("another's id", &ed, "e2"),
        ("the id of another kind", &ed, "r"),
        ("an id in capitals", &ed, "E1"),
        ("another's key under a known id", &KeyPair::p256(), "p"),
    ] {
        assert_refused(server, &pair.sign(Some(kid), &claims), what).await;
    }
    let mut critical = Header::new(ed.algorithm);
    critical.kid = Some("e1".to_owned());
    critical.crit = Some(vec!["exp".to_owned()]);
    assert_refused(server, &ed.sign_with(&critical, &claims), "crit").await;
}

#[tokio::test]
async fn a_key_is_rotated_by_replacing_the_file_without_a_restart() {
    let (old, new) = (KeyPair::ed25519(), KeyPair::p256());
    let file = KeyFile::of_set(&[old.jwk("old")]);
    let world = world_with(JWKS, &file).await;
    let claims = claims(&world.market.buyer().await);
    let server = &world.server;
    let (by_old, by_new) = (
        old.sign(Some("old"), &claims),
        new.sign(Some("new"), &claims),
    );
    assert_let_in(server, &by_old, "before").await;
    assert_refused(server, &by_new, "before").await;

    file.replace_set(&[old.jwk("old"), new.jwk("new")]);
    wait::until("the new key is trusted", async || {
        get_cart(server, &by_new).await.status == 404
    })
    .await;
    assert_let_in(server, &by_old, "both are").await;

    file.replace_set(&[new.jwk("new")]);
    wait::until("the old key is not trusted any more", async || {
        get_cart(server, &by_old).await.status == 401
    })
    .await;
    assert_let_in(server, &by_new, "after").await;
}

#[tokio::test]
async fn a_set_that_is_broken_or_gone_leaves_the_keys_of_before() {
    let pair = KeyPair::ed25519();
    let file = KeyFile::of_set(&[pair.jwk("one")]);
    let world = world_with(JWKS, &file).await;
    let token = pair.sign(Some("one"), &claims(&world.market.buyer().await));
    let server = &world.server;
    let complaints = || {
        let log = server.log();
        let of_ours =
            |line: &&String| line.contains("auth.jwks_file has changed and can't be used");
        log.iter().filter(of_ours).count()
    };

    for (count, text) in [(1, "{"), (2, "{\"keys\": {}}"), (3, "")] {
        file.replace(text);
        wait::until("the problem is logged", async || complaints() == count).await;
        assert_let_in(server, &token, text).await;
    }
    std::fs::remove_file(file.path()).unwrap();
    wait::until("the problem is logged", async || complaints() == 4).await;
    assert_let_in(server, &token, "gone").await;

    let other = KeyPair::ed25519();
    file.replace_set(&[other.jwk("other")]);
    wait::until("a good file is used again", async || {
        get_cart(server, &token).await.status == 401
    })
    .await;
    assert_eq!(complaints(), 4, "each problem is logged once");
}

#[tokio::test]
async fn what_else_may_be_in_a_set_is_left_alone() {
    let pair = KeyPair::p256();
    let mut encrypting = KeyPair::p256().jwk("enc");
    encrypting["use"] = json!("enc");
    let mut other_algorithm = KeyPair::rsa().jwk("ps256");
    other_algorithm["alg"] = json!("PS256");
    let mut signing = KeyPair::ed25519().jwk("sign");
    signing.as_object_mut().unwrap().remove("use").unwrap();
    signing["key_ops"] = json!(["sign"]);
    let foreign = json!({ "kty": "AKP", "kid": "later", "alg": "ML-DSA-44", "pub": "AAAA" });
    let p384 = json!({ "kty": "EC", "crv": "P-384", "kid": "p384", "x": "AA", "y": "AA" });
    let file = KeyFile::of_set(&[
        encrypting,
        other_algorithm,
        signing,
        foreign,
        p384,
        KeyPair::rsa_too_long().1,
        pair.jwk("one"),
    ]);
    let world = world_with(JWKS, &file).await;
    let claims = claims(&world.market.buyer().await);

    assert_let_in(&world.server, &pair.sign(Some("one"), &claims), "the one").await;
    let rsa = KeyPair::rsa().sign(Some("ps256"), &claims);
    assert_refused(&world.server, &rsa, "for another algorithm").await;
    for id in ["enc", "ps256", "sign", "later", "p384", "long"] {
        let told = format!("the key \\\"{id}\\\"");
        world.server.until_logged(&told).await;
    }
}

#[tokio::test]
async fn a_file_that_can_t_be_trusted_stops_the_start_with_a_sentence() {
    let [rsa, p256, ed] = KeyPair::of_each_kind();
    let short = KeyPair::rsa_of(1024);
    let set = |keys: &[Value]| json!({ "keys": keys }).to_string();
    let with = |mut jwk: Value, name: &str, value: &str| {
        jwk[name] = json!(value);
        jwk
    };
    let secret = json!({ "kty": "oct", "kid": "s", "k": "c2VjcmV0" });
    for (setting, text, problem) in [
        (JWKS, "{".to_owned(), "it is no JSON"),
        (JWKS, "[]".to_owned(), "it has no list \"keys\""),
        (
            JWKS,
            set(&[json!({ "kty": "EC", "crv": "P-384", "x": "AA", "y": "AA" })]),
            "none of its keys can be used",
        ),
        (
            JWKS,
            set(&[secret.clone(), ed.jwk("e")]),
            "private or symmetric",
        ),
        (
            JWKS,
            set(&[with(ed.jwk("e"), "d", "AA")]),
            "private or symmetric",
        ),
        (JWKS, set(&[short.jwk("r")]), "1024 bits"),
        (
            JWKS,
            set(&[with(rsa.jwk("r"), "alg", "ES256")]),
            "contradicts itself",
        ),
        (
            JWKS,
            set(&[with(p256.jwk("p"), "alg", "EdDSA")]),
            "contradicts itself",
        ),
        (
            JWKS,
            set(&[with(ed.jwk("e"), "alg", "HS256")]),
            "contradicts itself",
        ),
        (
            JWKS,
            set(&[with(p256.jwk("p"), "x", "AAAA")]),
            "no point on P-256",
        ),
        (
            JWKS,
            set(&[with(ed.jwk("e"), "x", "AAAA")]),
            "no Ed25519 key",
        ),
        (JWKS, set(&[ed.jwk("e"), p256.jwk("e")]), "two keys \"e\""),
        (JWKS, set(&[json!({ "kty": "RSA", "kid": 7 })]), "is no JWK"),
        (PEM, String::new(), "no public key of a kind that is known"),
        (
            PEM,
            "ssh-ed25519 AAAA".to_owned(),
            "no public key of a kind that is known",
        ),
        (PEM, rsa.private_pem, "private key"),
        (PEM, short.public_pem, "it is an RSA key of 1024 bits"),
        (
            PEM,
            KeyPair::rsa_too_long().0,
            "it is an RSA key of 4097 bits; 4096 is the most",
        ),
    ] {
        let file = KeyFile::new(&text);
        let told = refusal_to_start(&[NO_SECRET, (setting, &file.name())]);
        assert!(told.contains(problem), "{problem}: {told}");
        assert!(told.contains("can't be used"), "{told}");
    }
    let told = refusal_to_start(&[NO_SECRET, (JWKS, "/nowhere/keys.json")]);
    assert!(told.contains("/nowhere/keys.json"), "{told}");
}

#[tokio::test]
async fn clocks_may_differ_by_the_leeway_and_no_more() {
    let pair = KeyPair::ed25519();
    let file = KeyFile::new(&pair.public_pem);
    let world = World::with_settings(&[
        NO_SECRET,
        (PEM, &file.name()),
        ("SPLITCART_AUTH_LEEWAY_S", "300"),
    ])
    .await;
    let buyer = world.market.buyer().await;
    let now = Utc::now().timestamp();
    let token = |claim: &str, at: i64| {
        let mut claims = claims(&buyer);
        claims[claim] = json!(at);
        pair.sign(None, &claims)
    };

    // The test itself takes time, so an accepted token has a minute to spare.
    assert_let_in(&world.server, &token("exp", now - 240), "expired within").await;
    assert_refused(
        &world.server,
        &token("exp", now - 300),
        "expired by the leeway",
    )
    .await;
    assert_let_in(&world.server, &token("nbf", now + 300), "begins within").await;
    assert_refused(&world.server, &token("nbf", now + 360), "begins later").await;
}

#[tokio::test]
async fn without_leeway_a_token_ends_when_it_says() {
    let pair = KeyPair::ed25519();
    let file = KeyFile::new(&pair.public_pem);
    let none = ("SPLITCART_AUTH_LEEWAY_S", "0");
    let world = World::with_settings(&[NO_SECRET, none, (PEM, &file.name())]).await;
    let mut claims = claims(&world.market.buyer().await);
    // RFC 7519, 4.1.4: "on or after".
    claims["exp"] = json!(Utc::now().timestamp());
    assert_refused(&world.server, &pair.sign(None, &claims), "now").await;
}

#[tokio::test]
async fn issuer_and_audience_must_be_the_configured_ones() {
    let pair = KeyPair::p256();
    let file = KeyFile::of_set(&[pair.jwk("one")]);
    let world = World::with_settings(&[
        NO_SECRET,
        (JWKS, &file.name()),
        ("SPLITCART_AUTH_ISSUER", "https://id.example"),
        ("SPLITCART_AUTH_AUDIENCE", "splitcart-api"),
    ])
    .await;
    let buyer = world.market.buyer().await;
    let token = |issuer: Value, audience: Value| {
        let mut claims = claims(&buyer);
        claims["iss"] = issuer;
        claims["aud"] = audience;
        pair.sign(Some("one"), &claims)
    };
    let ours = json!("https://id.example");

    for audience in [json!("splitcart-api"), json!(["other", "splitcart-api"])] {
        let token = token(ours.clone(), audience);
        assert_let_in(&world.server, &token, "ours").await;
    }
    for audience in [
        json!(null),
        json!("other"),
        json!([]),
        json!(["other"]),
        json!(7),
    ] {
        let what = audience.to_string();
        assert_refused(&world.server, &token(ours.clone(), audience), &what).await;
    }
    for issuer in [
        json!(null),
        json!("splitcart"),
        json!("https://id.example/"),
    ] {
        let what = issuer.to_string();
        let token = token(issuer, json!("splitcart-api"));
        assert_refused(&world.server, &token, &what).await;
    }
}

#[tokio::test]
async fn the_token_command_signs_with_a_private_key_and_says_so_when_it_can_t() {
    for pair in KeyPair::of_each_kind() {
        let file = KeyFile::of_set(&[pair.jwk("mine")]);
        let world = world_with(JWKS, &file).await;
        let buyer = world.market.buyer().await;
        let private = KeyFile::new(&pair.private_pem);
        let token = |more: &[&str]| {
            let mut command = splitcart("token");
            command
                .args(["--user", &buyer.user_id.to_string()])
                .args(["--store", &buyer.store_id.to_string()])
                .args(more)
                .env(JWKS, file.name());
            command.output().unwrap()
        };

        let signed = token(&["--private-key", &private.name(), "--kid", "mine"]);
        let unsigned = token(&[]);

        let text = String::from_utf8(signed.stdout).unwrap();
        assert_let_in(&world.server, text.trim(), "signed").await;
        assert!(signed.stderr.is_empty());
        let problem = String::from_utf8(unsigned.stderr).unwrap();
        assert!(
            !unsigned.status.success() && problem.contains("--private-key FILE"),
            "{problem}"
        );
    }
}

#[test]
fn the_token_command_warns_of_a_secret_that_is_too_short() {
    let id = Uuid::now_v7().to_string();
    let token = |secret: &str| {
        let mut command = splitcart("token");
        command
            .args(["--user", &id, "--store", &id])
            .env("SPLITCART_AUTH_HS256_SECRET", secret);
        command.output().unwrap()
    };
    let (short, own) = (token("abc"), token(SECRET));
    assert!(short.status.success() && own.status.success());
    let told = String::from_utf8(short.stderr).unwrap();
    assert!(told.contains("shorter than 32 bytes"), "{told}");
    assert!(own.stderr.is_empty());
}
