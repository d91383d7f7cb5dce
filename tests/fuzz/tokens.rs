//! Tokens: invented, edited, and signed by us with any claims.

use std::sync::LazyLock;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::Utc;
use jsonwebtoken::{Algorithm, EncodingKey, crypto};
use serde_json::{Value, json};
use splitcart::{
    config::Config,
    http::token::{
        TokenVerifier,
        key_set::KeySet,
        parts::{Parts, TokenBody},
        refused::Refused,
    },
    metrics::Metrics,
};

use crate::fuzz_support::{self, Input, fuzz};

const SECRET: &str = "a secret of the fuzz targets, long enough";
const WORDS: &[&str] = &[
    ".",
    "..",
    "=",
    "eyJ",
    "\"alg\":",
    "\"none\"",
    "\"HS256\"",
    "\"HS512\"",
    "\"kid\":",
    "\"crit\":[]",
    "\"typ\":\"at+jwt\"",
    "\"iss\":",
    "\"splitcart\"",
    "\"exp\":",
    "\"nbf\":",
    "\"aud\":",
    "\"sub\":",
    "null",
    "[",
    "]",
    "{",
    "}",
    ",",
    "1e308",
    "99999999999",
];

fuzz!("tokens", WORDS, check);

/// A corpus file has the claims on its first line and the header on its second; any bytes are a token, too.
fn check(bytes: &[u8]) {
    if let Ok(token) = std::str::from_utf8(bytes) {
        drop(Parts::of(token));
        assert!(
            proved(token).is_err(),
            "accepted without a signature: {token}"
        );
    }
    let mut lines = bytes.splitn(2, |byte| *byte == b'\n');
    let claims = lines.next().unwrap_or_default();
    let header = lines.next().unwrap_or(br#"{"alg":"HS256","typ":"JWT"}"#);
    let message = format!(
        "{}.{}",
        URL_SAFE_NO_PAD.encode(header),
        URL_SAFE_NO_PAD.encode(claims)
    );
    let key = EncodingKey::from_secret(SECRET.as_bytes());
    let signature = crypto::sign(message.as_bytes(), &key, Algorithm::HS256).unwrap();
    let token = format!("{message}.{signature}");
    if let Ok(body) = proved(&token) {
        assert_says(claims, header, &body);
        // The token is accepted unchanged, and refused with any change.
        for at in [0, bytes.len() % token.len(), token.len() - 1] {
            let mut other = token.clone().into_bytes();
            other[at] = if other[at] == b'A' { b'B' } else { b'A' };
            let other = String::from_utf8(other).unwrap();
            assert!(proved(&other).is_err(), "{other} was {token}");
        }
        let none = format!("{message}.");
        assert!(proved(&none).is_err());
    }
}

/// Good tokens with a few letters changed: none is accepted except the original.
#[test]
fn changed() {
    let real = real_token();
    assert!(proved(&real).is_ok());
    bolero::check!(name = "tokens_changed")
        .with_test_time(std::time::Duration::from_millis(500))
        .with_type::<Vec<(u16, u8, bool)>>()
        .map(|changes| {
            let mut bytes = real.clone().into_bytes();
            for (at, byte, is_new) in changes {
                let at = usize::from(at) % (bytes.len() + 1);
                let letter = ALPHABET[usize::from(byte) % ALPHABET.len()];
                match bytes.get_mut(at) {
                    Some(place) if !is_new => *place = letter,
                    _ => bytes.insert(at, letter),
                }
            }
            Input(bytes)
        })
        .for_each(|input| {
            let token = std::str::from_utf8(&input.0).unwrap();
            assert_eq!(proved(token).is_ok(), token == real, "{token}");
        });
}

const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.=+/ ";

fn proved(token: &str) -> Result<TokenBody, Refused> {
    static VERIFIER: LazyLock<TokenVerifier> = LazyLock::new(|| {
        let secret = ("SPLITCART_AUTH_HS256_SECRET".to_owned(), SECRET.to_owned());
        let auth = Config::load(None, [secret]).unwrap().auth;
        let files = KeySet::open(&auth).unwrap();
        TokenVerifier::new(files.current(), &auth, &Metrics::new())
    });
    VERIFIER.read(token)?.prove()
}

fn real_token() -> String {
    let claims = json!({
        "sub": "01980c5e-0000-7000-8000-000000000001",
        "active_store_id": "01980c5e-0000-7000-8000-000000000002",
        "iss": "splitcart",
        "exp": Utc::now().timestamp() + 86_400,
    });
    let key = EncodingKey::from_secret(SECRET.as_bytes());
    jsonwebtoken::encode(&jsonwebtoken::Header::default(), &claims, &key).unwrap()
}

/// Asserts, with another reader, that an accepted token has the required contents.
fn assert_says(claims: &[u8], header: &[u8], body: &TokenBody) {
    let (header, claims) = (
        str::from_utf8(header).unwrap(),
        str::from_utf8(claims).unwrap(),
    );
    // The reader under test ignores values that it does not use, such as half a surrogate or 1e999;
    // this one does not.
    let (Ok(header), Ok(claims)) = (object(header), object(claims)) else {
        return;
    };
    assert_eq!(header["alg"], "HS256");
    assert!(header.get("crit").is_none());
    assert_eq!(claims["iss"], "splitcart");
    assert_eq!(claims["sub"], body.sub.as_str());
    assert_eq!(
        claims["active_store_id"].as_str(),
        body.active_store_id.as_deref()
    );
    #[expect(clippy::cast_precision_loss, reason = "seconds of our time fit")]
    let now = Utc::now().timestamp() as f64;
    assert!(claims["exp"].as_f64().unwrap() > now - 61.0);
    assert!(
        claims
            .get("nbf")
            .is_none_or(|it| it.as_f64().unwrap() < now + 61.0)
    );
}

fn object(text: &str) -> serde_json::Result<Value> {
    serde_json::from_str(text)
}
