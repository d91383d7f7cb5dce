//! One key that signs tokens, and the one algorithm that goes with it.
//!
//! The algorithm follows from the key, never from a token: a public key can't be taken for the secret
//! of an HMAC.

use ed25519_dalek::VerifyingKey as Ed25519Key;
use jsonwebtoken::{
    Algorithm, AlgorithmFamily, DecodingKey, DecodingKeyKind, crypto,
    jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyAlgorithm, KeyOperations, PublicKeyUse},
};
use p256::elliptic_curve::sec1::ToEncodedPoint;
use rsa::{
    BigUint, RsaPublicKey, pkcs1,
    pkcs8::{DecodePublicKey, Document, SubjectPublicKeyInfoRef},
};
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;

/// The name in RFC 9864; the library calls it `EdDSA`.
const ED25519: &str = "Ed25519";

/// Shorter RSA keys can be broken.
const RSA_BITS_MIN: usize = 2048;

/// A key, ready for use.
#[derive(Clone, Debug)]
pub struct Key {
    /// The name in tokens.
    pub id: Option<String>,
    /// The only algorithm that it is used with.
    algorithm: Algorithm,
    verifying: DecodingKey,
}

/// The reason why a JWK is not used.
#[derive(Debug, PartialEq, Eq)]
pub enum NotUsed {
    /// The key may be valid, but it signs no tokens for this service: a set may hold others' keys, too
    /// (RFC 7517, 5).
    Ignored(String),
    /// The key contradicts itself, is unsafe, or should not be where it is.
    Refused(String),
}

impl NotUsed {
    /// The sentence about the only key that there is.
    fn of_the_only_one(self) -> String {
        match self {
            Self::Ignored(reason) | Self::Refused(reason) => format!("it {reason}"),
        }
    }
}

impl Key {
    /// HS256 with a secret.
    pub fn hs256(secret: &SecretString) -> Self {
        let verifying = DecodingKey::from_secret(secret.expose_secret().as_bytes());
        Self::new(None, Algorithm::HS256, verifying)
    }

    /// A public key as PEM (`BEGIN PUBLIC KEY`).
    ///
    /// # Errors
    /// The text is no such key; the error is a sentence.
    pub fn from_pem(pem: &[u8]) -> Result<Self, String> {
        let text = std::str::from_utf8(pem).map_err(|_| "it is no PEM file".to_owned())?;
        let (algorithm, verifying) = if let Some((modulus, exponent)) = rsa_numbers(text) {
            check_rsa(&modulus, &exponent).map_err(NotUsed::of_the_only_one)?;
            let verifying = DecodingKey::from_rsa_raw_components(&modulus, &exponent);
            (Algorithm::RS256, verifying)
        } else if let Ok(key) = p256::PublicKey::from_public_key_pem(text) {
            let point = key.to_encoded_point(false);
            (Algorithm::ES256, DecodingKey::from_ec_der(point.as_bytes()))
        } else if let Ok(key) = Ed25519Key::from_public_key_pem(text) {
            check_ed25519(&key).map_err(NotUsed::of_the_only_one)?;
            (Algorithm::EdDSA, DecodingKey::from_ed_der(key.as_bytes()))
        } else if text.contains("PRIVATE KEY") {
            return Err(
                "it holds a private key, which this server must not have; `openssl pkey \
                        -in KEY -pubout` prints the public one"
                    .to_owned(),
            );
        } else {
            return Err(
                "it holds no public key of a kind that is known: one PEM block BEGIN PUBLIC \
                        KEY with RSA, P-256 or Ed25519"
                    .to_owned(),
            );
        };
        Ok(Self::new(None, algorithm, verifying))
    }

    /// A key of a set.
    ///
    /// # Errors
    /// See [`NotUsed`].
    pub fn from_jwk(jwk: &Value) -> Result<Self, NotUsed> {
        let refuse = |problem: &str| Err(NotUsed::Refused(problem.to_owned()));
        if jwk.get("d").is_some() || jwk.get("k").is_some() {
            return refuse("is private or symmetric; a set of public keys must not hold it");
        }
        let said = jwk.get("alg").and_then(Value::as_str);
        let mut jwk = jwk.clone();
        if said == Some(ED25519) && jwk["crv"] == ED25519 {
            jwk["alg"] = "EdDSA".into();
        }
        let said = said.map(str::to_owned);
        let jwk: Jwk = serde_json::from_value(jwk)
            .map_err(|error| NotUsed::Refused(format!("is no JWK: {error}")))?;
        let algorithm = algorithm_of(&jwk, said.as_deref().unwrap_or_default())?;
        let verifying = DecodingKey::from_jwk(&jwk)
            .map_err(|error| NotUsed::Refused(format!("can't be read: {error}")))?;
        check(&verifying)?;
        Ok(Self::new(jwk.common.key_id, algorithm, verifying))
    }

    fn new(id: Option<String>, algorithm: Algorithm, verifying: DecodingKey) -> Self {
        Self {
            id,
            algorithm,
            verifying,
        }
    }

    /// True if a token with this algorithm may have been signed with this key. Ed25519 has two
    /// names: the new one says which curve it is (RFC 9864).
    pub fn is_for(&self, alg: &str) -> bool {
        match self.algorithm {
            Algorithm::HS256 => alg == "HS256",
            Algorithm::RS256 => alg == "RS256",
            Algorithm::ES256 => alg == "ES256",
            Algorithm::EdDSA => alg == "EdDSA" || alg == ED25519,
            _ => false,
        }
    }

    /// True if this key has signed the message.
    pub fn has_signed(&self, message: &str, signature: &str) -> bool {
        crypto::verify(
            signature,
            message.as_bytes(),
            &self.verifying,
            self.algorithm,
        )
        .unwrap_or(false)
    }
}

/// The algorithm that a JWK's kind and curve imply; what it says of itself must agree.
fn algorithm_of(jwk: &Jwk, said_alg: &str) -> Result<Algorithm, NotUsed> {
    let ignore = |reason: String| Err(NotUsed::Ignored(reason));
    let common = &jwk.common;
    if common
        .public_key_use
        .as_ref()
        .is_some_and(|it| *it != PublicKeyUse::Signature)
    {
        return ignore("is not for signatures (`use`)".to_owned());
    }
    let verifies = |operations: &Vec<_>| operations.contains(&KeyOperations::Verify);
    if common
        .key_operations
        .as_ref()
        .is_some_and(|it| !verifies(it))
    {
        return ignore("is not for verifying signatures (`key_ops`)".to_owned());
    }
    let (algorithm, siblings) = match &jwk.algorithm {
        AlgorithmParameters::RSA(_) => (
            Algorithm::RS256,
            [
                KeyAlgorithm::RS384,
                KeyAlgorithm::RS512,
                KeyAlgorithm::PS256,
                KeyAlgorithm::PS384,
                KeyAlgorithm::PS512,
                KeyAlgorithm::RSA1_5,
                KeyAlgorithm::RSA_OAEP,
                KeyAlgorithm::RSA_OAEP_256,
                KeyAlgorithm::UNKNOWN_ALGORITHM,
            ]
            .as_slice(),
        ),
        AlgorithmParameters::EllipticCurve(it) if it.curve == EllipticCurve::P256 => (
            Algorithm::ES256,
            [KeyAlgorithm::UNKNOWN_ALGORITHM].as_slice(),
        ),
        AlgorithmParameters::OctetKeyPair(it) if it.curve == EllipticCurve::Ed25519 => (
            Algorithm::EdDSA,
            [KeyAlgorithm::UNKNOWN_ALGORITHM].as_slice(),
        ),
        _ => return ignore("is of a kind or on a curve that is not used here".to_owned()),
    };
    match common.key_algorithm {
        Some(said) if siblings.contains(&said) => ignore(format!(
            "is for another algorithm (its `alg` is {said_alg:?}); keys of its kind are used for \
                 {algorithm:?} here"
        )),
        Some(said) if said != algorithm.into() => Err(NotUsed::Refused(format!(
            "contradicts itself: its `alg` is {said_alg:?}, and its kind allows {algorithm:?}"
        ))),
        _ => Ok(algorithm),
    }
}

/// Modulus and exponent, if the PEM block holds an RSA key of whatever length: the library's own
/// reader calls a long one malformed.
fn rsa_numbers(pem: &str) -> Option<(Vec<u8>, Vec<u8>)> {
    let (_, document) = Document::from_pem(pem).ok()?;
    let info = SubjectPublicKeyInfoRef::try_from(document.as_bytes()).ok()?;
    info.algorithm
        .assert_algorithm_oid(pkcs1::ALGORITHM_OID)
        .ok()?;
    let key = pkcs1::RsaPublicKey::try_from(info.subject_public_key.as_bytes()?).ok()?;
    let (modulus, exponent) = (key.modulus, key.public_exponent);
    Some((modulus.as_bytes().to_vec(), exponent.as_bytes().to_vec()))
}

/// True if these bytes are a key at all: jsonwebtoken only notices with the first token.
fn check(key: &DecodingKey) -> Result<(), NotUsed> {
    let refuse = |problem: &str| Err(NotUsed::Refused(problem.to_owned()));
    match (key.family(), key.kind()) {
        (AlgorithmFamily::Rsa, DecodingKeyKind::RsaModulusExponent { n, e }) => check_rsa(n, e),
        (AlgorithmFamily::Ec, DecodingKeyKind::SecretOrDer(point)) => {
            match p256::PublicKey::from_sec1_bytes(point) {
                Ok(_) => Ok(()),
                Err(_) => refuse("is no point on P-256"),
            }
        }
        (AlgorithmFamily::Ed, DecodingKeyKind::SecretOrDer(bytes)) => {
            match Ed25519Key::try_from(bytes.as_slice()) {
                Ok(key) => check_ed25519(&key),
                Err(_) => refuse("is no Ed25519 key"),
            }
        }
        _ => refuse("is of another kind than it says"),
    }
}

fn check_rsa(modulus: &[u8], exponent: &[u8]) -> Result<(), NotUsed> {
    let modulus = BigUint::from_bytes_be(modulus);
    let bits = modulus.bits();
    if bits < RSA_BITS_MIN {
        return Err(NotUsed::Refused(format!(
            "is an RSA key of {bits} bits, which can be broken; {RSA_BITS_MIN} is the least"
        )));
    }
    if bits > RsaPublicKey::MAX_SIZE {
        return Err(NotUsed::Ignored(format!(
            "is an RSA key of {bits} bits; {} is the most that is verified with here",
            RsaPublicKey::MAX_SIZE
        )));
    }
    match RsaPublicKey::new(modulus, BigUint::from_bytes_be(exponent)) {
        Ok(_) => Ok(()),
        Err(error) => Err(NotUsed::Refused(format!("is no RSA key: {error}"))),
    }
}

/// Under a key of small order one signature fits any text.
fn check_ed25519(key: &Ed25519Key) -> Result<(), NotUsed> {
    if key.is_weak() {
        return Err(NotUsed::Refused("is a weak Ed25519 key".to_owned()));
    }
    Ok(())
}
