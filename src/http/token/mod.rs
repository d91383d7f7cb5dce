//! Tokens: whether one is ours, and whom it names. What that person may do is no token's to say.
//!
//! | piece | file |
//! |---|---|
//! | one key and the one algorithm that goes with it | [`key`] |
//! | all keys that are trusted, and which one a token means | [`key_set`] |

pub mod key;
pub mod key_set;

use jsonwebtoken::errors::{Error as JwtError, ErrorKind};
use serde::{Deserialize, Serialize};

use self::key_set::KeySet;
use super::watched_file::Current;

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

/// What is read of a token once its signature, issuer, audience and times have been checked.
#[derive(Debug, Deserialize)]
pub struct TokenBody {
    /// The person, as the issuer says.
    pub sub: String,
    /// The store the person acts for.
    pub active_store_id: Option<String>,
}

/// Why a token is none of ours, in a sentence for its sender.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// The token itself.
    #[error("{}", explain(.0))]
    Token(#[from] JwtError),
    /// It names a key that is not (or no longer) trusted.
    #[error("The token was signed with a key (`kid`) that is not one of ours.")]
    UnknownKey,
    /// It names no key, and there is not exactly one of its kind.
    #[error("The token does not say which key it was signed with: it has no `kid`.")]
    NoKeyNamed,
    /// It wants something understood that we don't know (RFC 7515, 4.1.11).
    #[error("The token has a `crit` header, and none is understood here.")]
    Critical,
}

/// Checks signatures, issuers, audiences and times. Cloning shares the keys.
#[derive(Clone, Debug)]
pub struct TokenVerifier {
    keys: Current<KeySet>,
}

impl TokenVerifier {
    /// Trusts the keys that are there at the time of each token.
    pub fn new(keys: Current<KeySet>) -> Self {
        Self { keys }
    }

    /// What the token says.
    ///
    /// # Errors
    /// It is none of ours.
    pub fn verify(&self, token: &str) -> Result<TokenBody, Refused> {
        let header = jsonwebtoken::decode_header(token)?;
        if header.crit.is_some() {
            return Err(Refused::Critical);
        }
        let keys = self.keys.borrow().clone();
        let key = keys.find(&header)?;
        Ok(jsonwebtoken::decode(token, &key.verifying, &key.validation)?.claims)
    }
}

fn explain(error: &JwtError) -> String {
    match error.kind() {
        ErrorKind::ExpiredSignature => "The token has expired; get a new one.".to_owned(),
        ErrorKind::ImmatureSignature => "The token is not valid yet.".to_owned(),
        ErrorKind::InvalidIssuer => "The token was issued by somebody else.".to_owned(),
        ErrorKind::InvalidAudience => "The token is meant for somebody else (`aud`).".to_owned(),
        ErrorKind::MissingRequiredClaim(claim) => format!("The token has no `{claim}`."),
        ErrorKind::InvalidSignature | ErrorKind::InvalidAlgorithm => {
            "The token's signature is not one of ours.".to_owned()
        }
        _ => "The token can't be read.".to_owned(),
    }
}
