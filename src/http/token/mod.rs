//! Tokens: whether one is ours, and whom it names. What that person may do is no token's to say.
//!
//! | piece | file |
//! |---|---|
//! | what a token says, and all that can be refused of it unproven | [`parts`] |
//! | one key and the one algorithm that goes with it | [`key`] |
//! | all keys that are trusted, and which one a token means | [`key_set`] |
//! | tokens that were seen a moment ago | [`seen`] |
//! | why a token is refused | [`refused`] |

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

/// How many refused tokens are remembered, and for how long.
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
    /// The store the person acts for; without one he or she may not do anything here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub active_store_id: Option<String>,
    /// Who issued the token.
    pub iss: String,
    /// For whom.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub aud: Option<String>,
    /// When it ends, in seconds since 1970.
    pub exp: u64,
    /// When it was issued.
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
    /// Keyed anew in every process: nobody can make tokens whose digests meet.
    digests: RandomState,
    refused: Arc<Seen>,
    good: Arc<Seen>,
}

/// A token that says what it should. Whether it is true, its signature tells.
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

    /// What the token says, so far as that can be told without looking at its signature.
    ///
    /// # Errors
    /// It is none of ours, whoever has signed it.
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
    /// Whether this very token was found to be good not long ago.
    pub fn was_good(&self) -> bool {
        self.verifier.good.has(self.digest)
    }

    /// Whether this very token's signature was found to be wrong a moment ago.
    pub fn was_refused(&self) -> bool {
        self.verifier.refused.has(self.digest)
    }

    /// Checks the signature, which is what costs.
    ///
    /// # Errors
    /// It is not one of ours.
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
