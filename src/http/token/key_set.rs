//! All keys that are trusted at a time, and which one a token means.

use std::{
    collections::HashSet,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use serde_json::Value;

use crate::{
    config::{Auth, TokenKeys},
    http::watched_file::{self, WatchedFiles},
};

use super::{
    key::{Key, NotUsed},
    parts::Header,
    refused::Refused,
};

/// The keys that are trusted.
#[derive(Clone, Debug)]
pub struct KeySet {
    keys: Vec<Arc<Key>>,
    naming: Naming,
    serial: u64,
}

/// The way in which a token names its key.
#[derive(Clone, Copy, Debug)]
enum Naming {
    /// There is one key, without an id: a token's `kid` is ignored.
    One,
    /// The keys have ids.
    Ids,
}

impl KeySet {
    /// The configured keys. A secret is a key that no file holds, so it never changes.
    ///
    /// # Errors
    /// The configured file can't be used.
    pub fn open(auth: &Auth) -> Result<WatchedFiles<Self>, watched_file::Error> {
        match auth.token_keys() {
            TokenKeys::Secret(secret) => {
                let key = Self::one(Key::hs256(secret));
                let parse = move |_: &[_]| Ok(key.clone());
                WatchedFiles::open("auth.hs256_secret", Vec::new(), parse)
            }
            TokenKeys::PublicKeyFile(path) => {
                let parse = |files: &[Vec<u8>]| Ok(Self::one(Key::from_pem(&files[0])?));
                WatchedFiles::open("auth.public_key_file", vec![path.to_owned()], parse)
            }
            TokenKeys::JwksFile(path) => {
                let parse = |files: &[Vec<u8>]| Self::from_jwks(&files[0]);
                WatchedFiles::open("auth.jwks_file", vec![path.to_owned()], parse)
            }
        }
    }

    fn one(key: Key) -> Self {
        Self::new(vec![Arc::new(key)], Naming::One)
    }

    fn new(keys: Vec<Arc<Key>>, naming: Naming) -> Self {
        static SERIAL: AtomicU64 = AtomicU64::new(0);
        Self {
            keys,
            naming,
            serial: SERIAL.fetch_add(1, Ordering::Relaxed),
        }
    }

    /// Another one for every set that was read.
    pub fn serial(&self) -> u64 {
        self.serial
    }

    /// A JSON Web Key Set. One with an empty list says that no key is trusted any more.
    ///
    /// # Errors
    /// The text is not a key set, one of its keys is refused, or it has keys and none of them is used.
    pub fn from_jwks(json: &[u8]) -> Result<Self, String> {
        let set: Value =
            serde_json::from_slice(json).map_err(|error| format!("it is no JSON: {error}"))?;
        let Some(jwks) = set.get("keys").and_then(Value::as_array) else {
            return Err("it is no key set: it has no list \"keys\"".to_owned());
        };
        if jwks.is_empty() {
            tracing::warn!(
                "auth.jwks_file has an empty list \"keys\": no token is taken until it has some"
            );
        }
        let mut keys = Vec::new();
        for (index, jwk) in jwks.iter().enumerate() {
            let name = match jwk.get("kid").and_then(Value::as_str) {
                Some(id) => format!("the key {id:?}"),
                None => format!("key {} of the set", index + 1),
            };
            match Key::from_jwk(jwk) {
                Ok(key) => keys.push(Arc::new(key)),
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
        if keys.is_empty() && !jwks.is_empty() {
            return Err("none of its keys can be used: RSA, P-256 and Ed25519 can".to_owned());
        }
        Ok(Self::new(keys, Naming::Ids))
    }

    /// The key that a token means.
    ///
    /// # Errors
    /// No key matches, or more than one does.
    pub fn find(&self, header: &Header) -> Result<Arc<Key>, Refused> {
        let key = match (self.naming, &header.kid) {
            (Naming::One, _) => self.keys.first().ok_or(Refused::UnknownKey)?,
            (Naming::Ids, Some(id)) => self
                .keys
                .iter()
                .find(|key| key.id.as_ref() == Some(id))
                .ok_or(Refused::UnknownKey)?,
            (Naming::Ids, None) => {
                let mut fitting = self.keys.iter().filter(|key| key.is_for(&header.alg));
                match (fitting.next(), fitting.next()) {
                    (Some(key), None) => key,
                    (None, _) => return Err(Refused::Algorithm),
                    (Some(_), Some(_)) => return Err(Refused::NoKeyNamed),
                }
            }
        };
        if key.is_for(&header.alg) {
            Ok(Arc::clone(key))
        } else {
            Err(Refused::Algorithm)
        }
    }
}
