//! All keys that are trusted at a time, and which one a token means.

use std::collections::HashSet;

use jsonwebtoken::{Header, errors::ErrorKind};
use serde_json::Value;

use crate::config::{Auth, TokenKeys};

use super::{
    super::watched_file::{self, WatchedFiles},
    Refused,
    key::{Expected, Key, NotUsed},
};

/// See the module.
#[derive(Clone, Debug)]
pub enum KeySet {
    /// The only one, which has no id: a token's `kid` is not looked at.
    One(Box<Key>),
    /// Told apart by their ids.
    Named(Vec<Key>),
}

impl KeySet {
    /// The configured keys. A secret is a key whose file never changes: there is none.
    ///
    /// # Errors
    /// The configured file can't be used.
    pub fn open(auth: &Auth) -> Result<WatchedFiles<Self>, watched_file::Error> {
        let expected = Expected {
            issuer: auth.issuer.clone(),
            audience: Some(auth.audience.clone()).filter(|audience| !audience.is_empty()),
            leeway_s: auth.leeway_s,
        };
        match auth.token_keys() {
            TokenKeys::Secret(secret) => {
                let key = Box::new(Key::hs256(secret, &expected));
                let parse = move |_: &[_]| Ok(Self::One(key.clone()));
                WatchedFiles::open("auth.hs256_secret", Vec::new(), parse)
            }
            TokenKeys::PublicKeyFile(path) => {
                let parse = move |files: &[Vec<u8>]| {
                    let key = Key::from_pem(&files[0], &expected)?;
                    Ok(Self::One(Box::new(key)))
                };
                WatchedFiles::open("auth.public_key_file", vec![path.to_owned()], parse)
            }
            TokenKeys::JwksFile(path) => {
                let parse = move |files: &[Vec<u8>]| Self::from_jwks(&files[0], &expected);
                WatchedFiles::open("auth.jwks_file", vec![path.to_owned()], parse)
            }
        }
    }

    /// A JSON Web Key Set.
    ///
    /// # Errors
    /// It is none, one of its keys is refused, or none of them is used.
    pub fn from_jwks(json: &[u8], expected: &Expected) -> Result<Self, String> {
        let set: Value =
            serde_json::from_slice(json).map_err(|error| format!("it is no JSON: {error}"))?;
        let Some(jwks) = set.get("keys").and_then(Value::as_array) else {
            return Err("it is no key set: it has no list \"keys\"".to_owned());
        };
        let mut keys = Vec::new();
        for (index, jwk) in jwks.iter().enumerate() {
            let name = match jwk.get("kid").and_then(Value::as_str) {
                Some(id) => format!("the key {id:?}"),
                None => format!("key {} of the set", index + 1),
            };
            match Key::from_jwk(jwk, expected) {
                Ok(key) => keys.push(key),
                Err(NotUsed::Ignored(reason)) => {
                    tracing::warn!("auth.jwks_file: {name} {reason}; it is ignored");
                }
                Err(NotUsed::Refused(problem)) => return Err(format!("{name} {problem}")),
            }
        }
        let mut ids = HashSet::new();
        if let Some(twice) = keys
            .iter()
            .filter_map(|key| key.id.as_deref())
            .find(|id| !ids.insert(*id))
        {
            return Err(format!("it has two keys {twice:?}"));
        }
        if keys.is_empty() {
            return Err("none of its keys can be used: RSA, P-256 and Ed25519 can".to_owned());
        }
        Ok(Self::Named(keys))
    }

    /// The key that a token means.
    ///
    /// # Errors
    /// There is none, or not exactly one.
    pub fn find(&self, header: &Header) -> Result<&Key, Refused> {
        let key = match (self, &header.kid) {
            (Self::One(key), _) => &**key,
            (Self::Named(keys), Some(id)) => keys
                .iter()
                .find(|key| key.id.as_ref() == Some(id))
                .ok_or(Refused::UnknownKey)?,
            (Self::Named(keys), None) => {
                let mut fitting = keys.iter().filter(|key| key.algorithm == header.alg);
                match (fitting.next(), fitting.next()) {
                    (Some(key), None) => key,
                    (None, _) => return Err(Refused::Token(ErrorKind::InvalidAlgorithm.into())),
                    (Some(_), Some(_)) => return Err(Refused::NoKeyNamed),
                }
            }
        };
        Ok(key)
    }
}
