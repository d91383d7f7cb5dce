//! The commands of the desk, and its decisions.

use crate::domain::{
    caller::Forbidden,
    idempotency::{Fingerprint, ScopeDigest, StoredResponse},
    ids::{StoreId, UserId},
    stock_count::{CountedItem, StockItem},
    trace_context::TraceParent,
};

/// A count that is to be carried out exactly once per scope.
#[derive(Clone, Debug)]
pub struct CountStock {
    /// The person who sends it, as the token says.
    pub user_id: UserId,
    /// The store whose stock it is, as the token says.
    pub store_id: StoreId,
    pub items: Vec<StockItem>,
    /// The key, and what it is unique in.
    pub scope: ScopeDigest,
    /// The fingerprint of the request.
    pub fingerprint: Fingerprint,
    /// The trace of the request, which its events go on with.
    pub traceparent: Option<TraceParent>,
    /// Renders the answer, which is stored in the transaction.
    pub render: fn(&[CountedItem]) -> StoredResponse,
}

/// The database's decision about a count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// The items were decided just now.
    Counted(StoredResponse),
    /// The items had been decided before: this is the first answer again.
    Replayed(StoredResponse),
    /// Nothing was changed and the key stays as it is.
    Refused(Refusal),
}

/// The reason why a count was not carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The caller is no member of a vendor, or has a role that may only look.
    Forbidden(Forbidden),
    /// The key belongs to another request.
    KeyReused,
}
