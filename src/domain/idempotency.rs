//! Idempotency: the identity of requests, and the first answer that was given to one.

use std::{borrow::Cow, fmt};

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::ids::{CartId, CheckoutGroupId, StoreId, UserId};

/// The longest key a client may send, in characters.
const KEY_LEN_MAX: usize = 255;

/// A client's Idempotency-Key: 1 to 255 visible ASCII characters.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IdempotencyKey(String);

/// The error of a text that is no Idempotency-Key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be 1 to {KEY_LEN_MAX} visible ASCII characters, such as a UUID")]
pub struct NotAKey;

impl IdempotencyKey {
    /// Parses a header's value.
    ///
    /// # Errors
    /// The value is empty, too long, or has a space, a control character or anything beyond ASCII.
    pub fn parse(bytes: &[u8]) -> Result<Self, NotAKey> {
        let fits = (1..=KEY_LEN_MAX).contains(&bytes.len());
        if !fits || !bytes.iter().all(u8::is_ascii_graphic) {
            return Err(NotAKey);
        }
        Ok(Self(bytes.iter().copied().map(char::from).collect()))
    }

    /// The key's text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The scope in which a key is unique: the same key of another user, store or route is another key.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Scope {
    pub user_id: UserId,
    /// The store for which the user acts.
    pub store_id: StoreId,
    pub method: &'static str,
    /// The path, such as `/api/v1/checkout`, with the ids that are in it.
    pub path: Cow<'static, str>,
    pub key: IdempotencyKey,
}

/// SHA-256 of a scope, used where its parts must not, or need not, be shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ScopeDigest([u8; 32]);

impl ScopeDigest {
    /// Wraps a digest.
    pub const fn new(digest: [u8; 32]) -> Self {
        Self(digest)
    }

    /// The digest.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The first half of the digest, in the form of an id: short enough for a key of a table, and long
    /// enough that no two scopes will ever share it.
    pub fn half(&self) -> Uuid {
        let (half, _) = self
            .0
            .split_first_chunk()
            .expect("32 bytes are more than 16");
        Uuid::from_bytes(*half)
    }
}

/// SHA-256 of a canonical request body: equal if and only if the requests are the same.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fingerprint([u8; 32]);

impl Fingerprint {
    /// Wraps a digest.
    pub const fn new(digest: [u8; 32]) -> Self {
        Self(digest)
    }

    /// The digest.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0[..4]
            .iter()
            .try_for_each(|byte| write!(f, "{byte:02x}"))?;
        f.write_str("…")
    }
}

/// A final answer as it is sent to the client. Replays repeat it to the byte.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredResponse {
    /// The HTTP status; always a success.
    pub status: u16,
    /// The body.
    pub body: Vec<u8>,
}

/// The first final answer of a checkout, as the database remembers it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FirstAnswer {
    /// The fingerprint of the request that was answered.
    pub fingerprint: Fingerprint,
    pub checkout_group_id: CheckoutGroupId,
    pub response: StoredResponse,
}

/// The first answer of a cart PUT, as the database remembers it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FirstCartAnswer {
    /// The fingerprint of the request that was answered.
    pub fingerprint: Fingerprint,
    /// The cart that was frozen.
    pub cart_id: CartId,
    /// The time of the cart's transaction.
    pub created_at: DateTime<Utc>,
    pub response: StoredResponse,
}
