//! One key that signs tokens, and the one algorithm that goes with it.
//!
//! The algorithm follows from the key, never from a token: a public key can't be taken for the secret
//! of an HMAC.

use ed25519_dalek::VerifyingKey as Ed25519Key;
use jsonwebtoken::{
    Algorithm, AlgorithmFamily, DecodingKey, DecodingKeyKind, Validation,
    jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyAlgorithm, KeyOperations, PublicKeyUse},
};
use p256::elliptic_curve::sec1::ToEncodedPoint;
use rsa::{BigUint, RsaPublicKey, pkcs8::DecodePublicKey, traits::PublicKeyParts};
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;

/// Shorter RSA keys can be broken.
const RSA_BITS_MIN: usize = 2048;

/// What every token must say, whoever has signed it.
#[derive(Clone, Debug)]
pub struct Expected {
    /// The `iss`.
    pub issuer: String,
    /// The `aud`, unless it is not looked at.
    pub audience: Option<String>,
    /// By how much clocks may differ, in seconds.
    pub leeway_s: u64,
}

/// A key, ready for use.
#[derive(Clone, Debug)]
pub struct Key {
    /// What tokens call it.
    pub id: Option<String>,
    /// The only algorithm that it is used with.
    pub algorithm: Algorithm,
    pub(super) verifying: DecodingKey,
    pub(super) validation: Validation,
}

/// Why a JWK is not used.
#[derive(Debug, PartialEq, Eq)]
pub enum NotUsed {
    /// It may be fine, but it signs no tokens for us: a set may hold others' keys, too (RFC 7517, 5).
    Ignored(String),
    /// It contradicts itself, is unsafe, or should not be where it is.
    Refused(String),
}

impl Key {
    /// HS256 with a secret.
    pub fn hs256(secret: &SecretString, expected: &Expected) -> Self {
        let verifying = DecodingKey::from_secret(secret.expose_secret().as_bytes());
        Self::new(None, Algorithm::HS256, verifying, expected)
    }

    /// A public key as PEM (`BEGIN PUBLIC KEY`).
    ///
    /// # Errors
    /// It is no such key, with a sentence.
    pub fn from_pem(pem: &[u8], expected: &Expected) -> Result<Self, String> {
        let text = std::str::from_utf8(pem).map_err(|_| "it is no PEM file".to_owned())?;
        let (algorithm, verifying) = if let Ok(key) = RsaPublicKey::from_public_key_pem(text) {
            check_rsa(&key)?;
            let (modulus, exponent) = (key.n().to_bytes_be(), key.e().to_bytes_be());
            let verifying = DecodingKey::from_rsa_raw_components(&modulus, &exponent);
            (Algorithm::RS256, verifying)
        } else if let Ok(key) = p256::PublicKey::from_public_key_pem(text) {
            let point = key.to_encoded_point(false);
            (Algorithm::ES256, DecodingKey::from_ec_der(point.as_bytes()))
        } else if let Ok(key) = Ed25519Key::from_public_key_pem(text) {
            check_ed25519(&key)?;
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
        Ok(Self::new(None, algorithm, verifying, expected))
    }

    /// A key of a set.
    ///
    /// # Errors
    /// See [`NotUsed`].
    pub fn from_jwk(jwk: &Value, expected: &Expected) -> Result<Self, NotUsed> {
        let refuse = |problem: &str| Err(NotUsed::Refused(problem.to_owned()));
        if jwk.get("d").is_some() || jwk.get("k").is_some() {
            return refuse("is private or symmetric; a set of public keys must not hold it");
        }
        let jwk: Jwk = serde_json::from_value(jwk.clone())
            .map_err(|error| NotUsed::Refused(format!("is no JWK: {error}")))?;
        let algorithm = algorithm_of(&jwk)?;
        let verifying = DecodingKey::from_jwk(&jwk)
            .map_err(|error| NotUsed::Refused(format!("can't be read: {error}")))?;
        check(&verifying).map_err(NotUsed::Refused)?;
        Ok(Self::new(jwk.common.key_id, algorithm, verifying, expected))
    }

    fn new(
        id: Option<String>,
        algorithm: Algorithm,
        verifying: DecodingKey,
        expected: &Expected,
    ) -> Self {
        let mut validation = Validation::new(algorithm);
        validation.set_issuer(&[&expected.issuer]);
        validation.set_required_spec_claims(&["exp", "iss", "sub"]);
        validation.leeway = expected.leeway_s;
        // At `exp` a token has ended (RFC 7519, 4.1.4); the library would let it live that second.
        validation.reject_tokens_expiring_in_less_than = 1;
        validation.validate_nbf = true;
        validation.validate_aud = false;
        if let Some(audience) = &expected.audience {
            validation.set_audience(&[audience]);
            validation.set_required_spec_claims(&["aud", "exp", "iss", "sub"]);
            validation.validate_aud = true;
        }
        Self {
            id,
            algorithm,
            verifying,
            validation,
        }
    }
}

/// The algorithm that a JWK's kind and curve imply; what it says of itself must agree.
fn algorithm_of(jwk: &Jwk) -> Result<Algorithm, NotUsed> {
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
        Some(said) if siblings.contains(&said) => {
            ignore(format!("is for an algorithm other than {algorithm:?}"))
        }
        Some(said) if said != algorithm.into() => Err(NotUsed::Refused(format!(
            "contradicts itself: its `alg` is {said}, and its kind allows {algorithm:?}"
        ))),
        _ => Ok(algorithm),
    }
}

/// Whether these bytes are a key at all: jsonwebtoken finds out with the first token only.
fn check(key: &DecodingKey) -> Result<(), String> {
    match (key.family(), key.kind()) {
        (AlgorithmFamily::Rsa, DecodingKeyKind::RsaModulusExponent { n, e }) => {
            let (modulus, exponent) = (BigUint::from_bytes_be(n), BigUint::from_bytes_be(e));
            let key = RsaPublicKey::new(modulus, exponent)
                .map_err(|error| format!("is no RSA key: {error}"))?;
            check_rsa(&key)
        }
        (AlgorithmFamily::Ec, DecodingKeyKind::SecretOrDer(point)) => {
            match p256::PublicKey::from_sec1_bytes(point) {
                Ok(_) => Ok(()),
                Err(_) => Err("is no point on P-256".to_owned()),
            }
        }
        (AlgorithmFamily::Ed, DecodingKeyKind::SecretOrDer(bytes)) => {
            let key = Ed25519Key::try_from(bytes.as_slice());
            check_ed25519(&key.map_err(|_| "is no Ed25519 key".to_owned())?)
        }
        _ => Err("is of another kind than it says".to_owned()),
    }
}

fn check_rsa(key: &RsaPublicKey) -> Result<(), String> {
    let bits = key.n().bits();
    if bits < RSA_BITS_MIN {
        return Err(format!(
            "is an RSA key of {bits} bits, which can be broken; {RSA_BITS_MIN} is the least"
        ));
    }
    Ok(())
}

/// Under a key of small order one signature fits any text.
fn check_ed25519(key: &Ed25519Key) -> Result<(), String> {
    if key.is_weak() {
        return Err("is a weak Ed25519 key".to_owned());
    }
    Ok(())
}
