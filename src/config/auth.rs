//! `[auth]`: the keys that tokens are checked with. This file knows which kind is configured and reads
//! none.

use std::path::{Path, PathBuf};

use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use sha2::{Digest, Sha256};

/// The digest (SHA-256) of the development secret that was in the source of earlier versions.
const KNOWN_SECRET: [u8; 32] = [
    0x1b, 0x95, 0xf3, 0x14, 0xa1, 0x5c, 0xc0, 0x28, 0xc9, 0xed, 0xf2, 0x45, 0xdf, 0xe2, 0x67, 0x1a,
    0xea, 0x85, 0xbc, 0x3c, 0x4c, 0x4a, 0xa7, 0x92, 0x37, 0x55, 0x7e, 0x68, 0xb8, 0x37, 0x91, 0xad,
];
/// The shortest secret of HS256 (RFC 7518, 3.2): anybody with one token can find a shorter one by trial.
pub(super) const SECRET_BYTES_MIN: usize = 32;

/// `[auth]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Auth {
    pub hs256_secret: SecretString,
    pub hs256_secret_file: PathBuf,
    pub public_key_file: PathBuf,
    pub jwks_file: PathBuf,
    pub issuer: String,
    pub audience: String,
    pub typ: String,
    pub lifetime_s_max: u32,
    pub leeway_s: u32,
}

/// The keys that tokens are checked with. There is one kind only: a public key beside a secret would admit
/// anybody who knows the weaker one.
#[derive(Clone, Debug)]
pub enum TokenKeys<'a> {
    /// HS256 with a secret shared with the issuer.
    Secret(&'a SecretString),
    /// One public key, as PEM.
    PublicKeyFile(&'a Path),
    /// A set of public keys (RFC 7517).
    JwksFile(&'a Path),
}

impl Auth {
    /// The configured kind of keys.
    pub fn token_keys(&self) -> TokenKeys<'_> {
        if is_set(&self.jwks_file) {
            TokenKeys::JwksFile(&self.jwks_file)
        } else if is_set(&self.public_key_file) {
            TokenKeys::PublicKeyFile(&self.public_key_file)
        } else {
            TokenKeys::Secret(&self.hs256_secret)
        }
    }

    /// Replaces the keys by a secret, whatever was configured.
    pub fn trust_only(&mut self, secret: SecretString) {
        self.hs256_secret = secret;
        self.public_key_file = PathBuf::new();
        self.jwks_file = PathBuf::new();
    }

    /// True if any key is configured.
    pub fn has_keys(&self) -> bool {
        match self.token_keys() {
            TokenKeys::Secret(secret) => !secret.expose_secret().is_empty(),
            TokenKeys::PublicKeyFile(_) | TokenKeys::JwksFile(_) => true,
        }
    }

    /// True if tokens are signed with a secret that is too short.
    pub fn has_short_secret(&self) -> bool {
        matches!(
            self.token_keys(),
            TokenKeys::Secret(secret)
                if (1..SECRET_BYTES_MIN).contains(&secret.expose_secret().trim().len())
        )
    }

    /// The contradiction in the keys, if there is one.
    pub(super) fn contradiction(&self) -> Option<&'static str> {
        let (one, set) = (is_set(&self.public_key_file), is_set(&self.jwks_file));
        let secret = self.hs256_secret.expose_secret();
        if one && set {
            Some(
                "auth.public_key_file and auth.jwks_file are both set: use one of them (a JWKS may \
                 have any number of keys)",
            )
        } else if (one || set) && !secret.is_empty() {
            Some(
                "auth.hs256_secret is set beside a public key: anybody who knows the secret could sign, \
                 too; unset SPLITCART_AUTH_HS256_SECRET, or the file",
            )
        } else if Sha256::digest(secret.trim())[..] == KNOWN_SECRET {
            Some(
                "auth.hs256_secret is the development secret of earlier versions, which everybody can \
                 read: unset it, and a private server keeps a random one in its data directory, or set \
                 SPLITCART_AUTH_HS256_SECRET to one of your own (openssl rand -hex 32)",
            )
        } else {
            None
        }
    }
}

fn is_set(path: &Path) -> bool {
    !path.as_os_str().is_empty()
}
