//! Signs tokens, with the configured secret or with a private key from a file, which no server needs.

use std::{fs, path::Path};

use anyhow::{Context, bail};
use ed25519_dalek::{
    SigningKey as Ed25519Key,
    pkcs8::{DecodePrivateKey as DecodeEd25519, EncodePrivateKey as EncodeEd25519},
};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use rsa::{RsaPrivateKey, pkcs1::EncodeRsaPrivateKey};
use secrecy::ExposeSecret;
use serde::Serialize;

use crate::config::{Config, TokenKeys};

/// A key, with the header of the tokens that it signs.
pub struct Signer {
    header: Header,
    key: EncodingKey,
}

impl Signer {
    /// With the configured secret.
    ///
    /// # Errors
    /// Tokens are checked with a public key, whose private key is elsewhere.
    pub fn configured(config: &Config) -> anyhow::Result<Self> {
        if !config.auth.has_keys() {
            bail!(
                "there is nothing to sign tokens with: set SPLITCART_AUTH_HS256_SECRET (or \
                 SPLITCART_AUTH_HS256_SECRET_FILE) to the server's, or name a private server's directory \
                 with --data-dir"
            );
        }
        let file = match config.auth.token_keys() {
            TokenKeys::Secret(secret) => {
                return Ok(Self {
                    header: Header::new(Algorithm::HS256),
                    key: EncodingKey::from_secret(secret.expose_secret().as_bytes()),
                });
            }
            TokenKeys::PublicKeyFile(_) => "auth.public_key_file",
            TokenKeys::JwksFile(_) => "auth.jwks_file",
        };
        bail!(
            "tokens are checked with {file}, and nobody can sign with a public key: get a token from \
             whoever has the private one, or sign with `splitcart token --private-key FILE` (and \
             --kid, if the set has several keys of a kind)"
        )
    }

    /// With a private key: RSA (RS256), P-256 (ES256) or Ed25519 (`EdDSA`), in PEM (PKCS #8).
    ///
    /// # Errors
    /// The file can't be read, or holds no such key.
    pub fn from_file(path: &Path, key_id: Option<String>) -> anyhow::Result<Self> {
        let pem =
            fs::read_to_string(path).with_context(|| format!("can't read {}", path.display()))?;
        let (algorithm, key) = if let Ok(key) = RsaPrivateKey::from_pkcs8_pem(&pem) {
            let der = key.to_pkcs1_der()?;
            (Algorithm::RS256, EncodingKey::from_rsa_der(der.as_bytes()))
        } else if let Ok(key) = p256::SecretKey::from_pkcs8_pem(&pem) {
            let der = key.to_pkcs8_der()?;
            (Algorithm::ES256, EncodingKey::from_ec_der(der.as_bytes()))
        } else if let Ok(key) = Ed25519Key::from_pkcs8_pem(&pem) {
            let der = key.to_pkcs8_der()?;
            (Algorithm::EdDSA, EncodingKey::from_ed_der(der.as_bytes()))
        } else {
            bail!(
                "{} holds no private key that can be used: PEM (BEGIN PRIVATE KEY) with RSA, P-256 or \
                 Ed25519",
                path.display()
            )
        };
        let mut header = Header::new(algorithm);
        header.kid = key_id;
        Ok(Self { header, key })
    }

    /// The token that says this.
    ///
    /// # Errors
    /// The key can't be used.
    pub fn sign(&self, claims: &impl Serialize) -> anyhow::Result<String> {
        jsonwebtoken::encode(&self.header, claims, &self.key).context("can't sign the token")
    }
}
