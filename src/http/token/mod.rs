//! Tokens: their verification, and the caller that they name. Rights are not read from tokens.
//!
//! | piece | file |
//! |---|---|
//! | the contents of a token, and all checks but the signature | [`parts`] |
//! | one key and the one algorithm that goes with it | [`key`] |
//! | all keys that are trusted, and which one a token means | [`key_set`] |
//! | tokens that were seen a moment ago | [`seen`] |
//! | the reasons for refusing a token | [`refused`] |

pub mod key;
pub mod key_set;
pub mod parts;
pub mod refused;
pub mod seen;

use std::{
    hash::{BuildHasher, RandomState},
    sync::Arc,
    time::Duration,
};

use chrono::Utc;
use serde::Serialize;

use crate::{
    config::Auth,
    metrics::{Metrics, ReasonLabel},
};

use self::{
    key::Key,
    key_set::KeySet,
    parts::{Expected, Parts, TokenBody},
    refused::Refused,
    seen::Seen,
};
use super::watched_file::Current;

/// The most refused tokens that are remembered, and for how long.
const REFUSED_MAX: usize = 10_000;
const REFUSED_LASTS: Duration = Duration::from_secs(5);
/// The same of good ones.
const GOOD_MAX: usize = 50_000;
const GOOD_LASTS: Duration = Duration::from_mins(10);

/// The claims of a token that we issue.
#[derive(Clone, Debug, Serialize)]
pub struct Claims {
    /// The person's id.
    pub sub: String,
    /// The store the person acts for; without one they may not do anything here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub active_store_id: Option<String>,
    /// The issuer of the token.
    pub iss: String,
    /// The audience of the token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub aud: Option<String>,
    /// The end of the token's life, in seconds since 1970.
    pub exp: u64,
    /// The time of issue, in seconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub iat: Option<u64>,
    /// The token's own id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jti: Option<String>,
}

/// Checks signatures, issuers, audiences and times. Cloning shares the keys.
#[derive(Clone, Debug)]
pub struct TokenVerifier {
    keys: Current<KeySet>,
    expected: Arc<Expected>,
    /// Keyed differently in every process, so that tokens with equal digests can't be made.
    digests: RandomState,
    refused: Arc<Seen>,
    good: Arc<Seen>,
}

/// A token with valid contents, whose signature has not been checked.
#[derive(Debug)]
pub struct Unproven<'t> {
    verifier: &'t TokenVerifier,
    parts: Parts<'t>,
    key: Arc<Key>,
    body: TokenBody,
    digest: u64,
}

impl TokenVerifier {
    /// Trusts the keys that are there at the time of each token.
    pub fn new(keys: Current<KeySet>, auth: &Auth, metrics: &Metrics) -> Self {
        for reason in Refused::REASONS {
            drop(metrics.auth_refused.get_or_create(&ReasonLabel { reason }));
        }
        Self {
            keys,
            expected: Arc::new(Expected::of(auth)),
            digests: RandomState::new(),
            refused: Arc::new(Seen::new(REFUSED_MAX, REFUSED_LASTS)),
            good: Arc::new(Seen::new(GOOD_MAX, GOOD_LASTS)),
        }
    }

    /// Checks everything but the signature.
    ///
    /// # Errors
    /// The token is not valid, with any signature.
    pub fn read<'t>(&'t self, token: &'t str) -> Result<Unproven<'t>, Refused> {
        let parts = Parts::of(token)?;
        let keys = self.keys.borrow().clone();
        let key = keys.find(&parts.header)?;
        let body = parts.check(&self.expected, Utc::now())?;
        Ok(Unproven {
            verifier: self,
            parts,
            key,
            body,
            // With other keys it is another question.
            digest: self.digests.hash_one((token, keys.serial())),
        })
    }
}

impl Unproven<'_> {
    /// True if this very token was found to be good not long ago.
    pub fn was_good(&self) -> bool {
        self.verifier.good.has(self.digest)
    }

    /// True if this very token's signature was found to be wrong a moment ago.
    pub fn was_refused(&self) -> bool {
        self.verifier.refused.has(self.digest)
    }

    /// Checks the signature, which is the expensive part.
    ///
    /// # Errors
    /// The signature does not match a trusted key.
    pub fn prove(self) -> Result<TokenBody, Refused> {
        let Self {
            verifier,
            parts,
            key,
            body,
            digest,
        } = self;
        if key.has_signed(parts.message, parts.signature) {
            verifier.good.add(digest);
            Ok(body)
        } else {
            verifier.refused.add(digest);
            Err(Refused::Signature)
        }
    }
}
