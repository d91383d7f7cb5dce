//! Idempotency: what makes two requests the same, and what the first one was answered.

use std::fmt;

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::ids::{CartId, CheckoutGroupId, StoreId, UserId};

/// The longest key a client may send, in characters.
const KEY_LEN_MAX: usize = 255;

/// A client's Idempotency-Key: 1 to 255 visible ASCII characters.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IdempotencyKey(String);

/// Why a text is no Idempotency-Key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be 1 to {KEY_LEN_MAX} visible ASCII characters, such as a UUID")]
pub struct NotAKey;

impl IdempotencyKey {
    /// Parses a header's value.
    ///
    /// # Errors
    /// It is empty, too long, or has a space, a control character or anything beyond ASCII.
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

/// Within which requests are compared: the same key of another user, store or route is another.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Scope {
    /// The person.
    pub user_id: UserId,
    /// The store the person acts for.
    pub store_id: StoreId,
    /// Such as `POST`.
    pub method: &'static str,
    /// Such as `/api/v1/checkout`.
    pub path: &'static str,
    /// The client's key.
    pub key: IdempotencyKey,
}

/// SHA-256 of a scope: what it is known by where its parts must not, or need not, be shown.
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

    /// Its first half, in the form of an id: short enough for a key of a table, and long enough that no
    /// two scopes of this world share it.
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

/// A final answer as it went, or will go, to the client: replays repeat it to the byte.
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
    /// Of the request that it answered.
    pub fingerprint: Fingerprint,
    /// What that checkout created.
    pub checkout_group_id: CheckoutGroupId,
    /// What the client was told.
    pub response: StoredResponse,
}

/// The first answer of a cart PUT, as the database remembers it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FirstCartAnswer {
    /// Of the request that it answered.
    pub fingerprint: Fingerprint,
    /// The cart that it froze.
    pub cart_id: CartId,
    /// The time of the cart's transaction.
    pub created_at: DateTime<Utc>,
    /// What the client was told.
    pub response: StoredResponse,
}
