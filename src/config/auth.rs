//! `[auth]`: whose signature makes a token ours. Says which kind of key is configured, reads none.

use std::path::{Path, PathBuf};

use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use super::Config;

/// The secret that everybody can read in the source.
const DEVELOPMENT_SECRET: &str = "splitcart-development-secret-do-not-use-in-production";

/// `[auth]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(
    missing_docs,
    reason = "each key is explained where its default stands"
)]
pub struct Auth {
    pub hs256_secret: SecretString,
    pub public_key_file: PathBuf,
    pub jwks_file: PathBuf,
    pub issuer: String,
    pub audience: String,
    pub typ: String,
    pub lifetime_s_max: u32,
    pub leeway_s: u32,
}

/// What tokens are checked with. One of them: a public key beside a secret would let whoever knows
/// the weaker one in.
#[derive(Clone, Debug)]
pub enum TokenKeys<'a> {
    /// HS256 with a secret that the issuer knows, too.
    Secret(&'a SecretString),
    /// One public key, as PEM.
    PublicKeyFile(&'a Path),
    /// A set of public keys (RFC 7517).
    JwksFile(&'a Path),
}

impl Auth {
    /// What tokens are checked with.
    pub fn token_keys(&self) -> TokenKeys<'_> {
        if is_set(&self.jwks_file) {
            TokenKeys::JwksFile(&self.jwks_file)
        } else if is_set(&self.public_key_file) {
            TokenKeys::PublicKeyFile(&self.public_key_file)
        } else {
            TokenKeys::Secret(&self.hs256_secret)
        }
    }

    /// Checks tokens with a secret from now on, whatever was configured.
    pub fn trust_only(&mut self, secret: SecretString) {
        self.hs256_secret = secret;
        self.public_key_file = PathBuf::new();
        self.jwks_file = PathBuf::new();
    }

    /// What no keys may be.
    pub(super) fn contradiction(&self) -> Option<&'static str> {
        let (one, set) = (is_set(&self.public_key_file), is_set(&self.jwks_file));
        let secret = self.hs256_secret.expose_secret();
        if one && set {
            Some(
                "auth.public_key_file and auth.jwks_file are both set: use one of them (a JWKS may \
                 have any number of keys)",
            )
        } else if (one || set) && !secret.is_empty() && secret != DEVELOPMENT_SECRET {
            Some(
                "auth.hs256_secret is set beside a public key: whoever knows the secret could sign, \
                 too; unset SPLITCART_AUTH_HS256_SECRET, or the file",
            )
        } else if !one && !set && secret.is_empty() {
            Some(
                "auth.hs256_secret is empty: set SPLITCART_AUTH_HS256_SECRET, or \
                 SPLITCART_AUTH_PUBLIC_KEY_FILE or SPLITCART_AUTH_JWKS_FILE for public keys",
            )
        } else {
            None
        }
    }
}

impl Config {
    /// Whether tokens are signed with the secret that everybody knows.
    pub fn has_development_secret(&self) -> bool {
        matches!(
            self.auth.token_keys(),
            TokenKeys::Secret(secret) if secret.expose_secret() == DEVELOPMENT_SECRET
        )
    }
}

fn is_set(path: &Path) -> bool {
    !path.as_os_str().is_empty()
}
