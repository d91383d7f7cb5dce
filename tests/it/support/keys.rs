//! Key pairs that sign tokens, and the files that a server reads their public halves from.

use std::{fs, path::PathBuf, sync::LazyLock};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use ed25519_dalek::SigningKey as Ed25519Key;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use p256::{
    elliptic_curve::sec1::ToEncodedPoint,
    pkcs8::{EncodePrivateKey, EncodePublicKey, LineEnding},
};
use rsa::{
    BigUint, RsaPrivateKey, RsaPublicKey, pkcs1::EncodeRsaPrivateKey, rand_core::OsRng,
    traits::PublicKeyParts,
};
use serde::Serialize;
use serde_json::{Value, json};
use tempfile::TempDir;

/// A private key and its public half.
#[derive(Clone)]
pub struct KeyPair {
    pub algorithm: Algorithm,
    /// PEM, `BEGIN PUBLIC KEY`.
    pub public_pem: String,
    /// PEM, `BEGIN PRIVATE KEY`.
    pub private_pem: String,
    jwk: Value,
    signing: EncodingKey,
}

impl KeyPair {
    /// One RSA pair for the whole run, because finding its primes takes a while.
    pub fn rsa() -> Self {
        static KEY: LazyLock<KeyPair> = LazyLock::new(|| KeyPair::rsa_of(2048));
        KEY.clone()
    }

    pub fn rsa_of(bits: usize) -> Self {
        let key = RsaPrivateKey::new(&mut OsRng, bits).unwrap();
        let der = key.to_pkcs1_der().unwrap();
        Self {
            algorithm: Algorithm::RS256,
            public_pem: key
                .to_public_key()
                .to_public_key_pem(LineEnding::LF)
                .unwrap(),
            private_pem: key.to_pkcs8_pem(LineEnding::LF).unwrap().to_string(),
            jwk: json!({
                "kty": "RSA",
                "n": number(&key.n().to_bytes_be()),
                "e": number(&key.e().to_bytes_be()),
            }),
            signing: EncodingKey::from_rsa_der(der.as_bytes()),
        }
    }

    /// The public half of an RSA key that is too long to verify with. Its modulus has no known factors,
    /// so no signatures exist; its readers do not check for factors.
    pub fn rsa_too_long() -> (String, Value) {
        let modulus = (BigUint::from(1_u8) << RsaPublicKey::MAX_SIZE) + 1_u8;
        let key = RsaPublicKey::new_unchecked(modulus, BigUint::from(65_537_u32));
        let jwk = json!({
            "kty": "RSA",
            "kid": "long",
            "n": number(&key.n().to_bytes_be()),
            "e": number(&key.e().to_bytes_be()),
        });
        (key.to_public_key_pem(LineEnding::LF).unwrap(), jwk)
    }

    pub fn p256() -> Self {
        let key = p256::SecretKey::random(&mut OsRng);
        let point = key.public_key().to_encoded_point(false);
        let der = key.to_pkcs8_der().unwrap();
        Self {
            algorithm: Algorithm::ES256,
            public_pem: key.public_key().to_public_key_pem(LineEnding::LF).unwrap(),
            private_pem: key.to_pkcs8_pem(LineEnding::LF).unwrap().to_string(),
            jwk: json!({
                "kty": "EC",
                "crv": "P-256",
                "x": number(point.x().unwrap()),
                "y": number(point.y().unwrap()),
            }),
            signing: EncodingKey::from_ec_der(der.as_bytes()),
        }
    }

    pub fn ed25519() -> Self {
        let key = Ed25519Key::from_bytes(&rand::random());
        let der = key.to_pkcs8_der().unwrap();
        Self {
            algorithm: Algorithm::EdDSA,
            public_pem: key
                .verifying_key()
                .to_public_key_pem(LineEnding::LF)
                .unwrap(),
            private_pem: key.to_pkcs8_pem(LineEnding::LF).unwrap().to_string(),
            jwk: json!({
                "kty": "OKP",
                "crv": "Ed25519",
                "x": number(key.verifying_key().as_bytes()),
            }),
            signing: EncodingKey::from_ed_der(der.as_bytes()),
        }
    }

    /// One pair of each kind.
    pub fn of_each_kind() -> [Self; 3] {
        [Self::rsa(), Self::p256(), Self::ed25519()]
    }

    /// A token with a `kid`, or without.
    pub fn sign(&self, kid: Option<&str>, claims: &impl Serialize) -> String {
        let mut header = Header::new(self.algorithm);
        header.kid = kid.map(str::to_owned);
        self.sign_with(&header, claims)
    }

    pub fn sign_with(&self, header: &Header, claims: &impl Serialize) -> String {
        jsonwebtoken::encode(header, claims, &self.signing).unwrap()
    }

    /// The signature of a message.
    pub fn sign_message(&self, message: &[u8]) -> String {
        jsonwebtoken::crypto::sign(message, &self.signing, self.algorithm).unwrap()
    }

    /// The public half as a JWK.
    pub fn jwk(&self, kid: &str) -> Value {
        let mut jwk = self.jwk.clone();
        jwk["kid"] = json!(kid);
        jwk["use"] = json!("sig");
        jwk
    }
}

fn number(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// A file that is replaced atomically, as an editor or a deployment replaces it.
pub struct KeyFile {
    dir: TempDir,
}

impl KeyFile {
    pub fn new(text: &str) -> Self {
        let file = Self {
            dir: TempDir::new().unwrap(),
        };
        file.replace(text);
        file
    }

    pub fn of_set(keys: &[Value]) -> Self {
        Self::new(&json!({ "keys": keys }).to_string())
    }

    pub fn replace(&self, text: &str) {
        let next = self.dir.path().join("next");
        fs::write(&next, text).unwrap();
        fs::rename(next, self.path()).unwrap();
    }

    pub fn replace_set(&self, keys: &[Value]) {
        self.replace(&json!({ "keys": keys }).to_string());
    }

    pub fn path(&self) -> PathBuf {
        self.dir.path().join("keys")
    }

    pub fn name(&self) -> String {
        self.path().to_str().unwrap().to_owned()
    }
}
