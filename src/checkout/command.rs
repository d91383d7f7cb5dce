//! The commands of the checkout desk, and its decisions.

use crate::{
    domain::{
        checkout::{AskedCart, CheckoutRequest},
        idempotency::{Fingerprint, Scope, StoredResponse},
        order::Checkout,
        refusal::Refusal,
        trace_context::TraceParent,
    },
    stages::trip::Trip,
};

/// A checkout that is to be carried out exactly once per scope.
#[derive(Clone, Debug)]
pub struct CheckoutCommand {
    /// The request.
    pub request: CheckoutRequest,
    /// The Idempotency-Key, with what it is unique in.
    pub scope: Scope,
    /// The fingerprint of the request's body.
    pub fingerprint: Fingerprint,
    /// The trace of the request, which its event goes on with.
    pub traceparent: Option<TraceParent>,
    /// The way of the checkout so far, to be continued.
    pub trip: Trip,
    /// Writes the answer that is kept in the transaction. The caller decides what an answer looks like;
    /// the checkout makes it durable.
    pub render: fn(&Checkout) -> StoredResponse,
}

/// The database's decision about a checkout.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// The checkout was carried out just now.
    Created(StoredResponse),
    /// The checkout had been carried out before: this is its first answer again.
    Replayed(StoredResponse),
    /// The checkout was refused. Nothing was written and the key stays free.
    Refused(Refusal),
}

/// Two commands in one lane never run at the same time and never share a transaction.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Lane {
    /// A cart can be bought once: the second checkout must see what the first has done. Another store that
    /// asks for the same cart has a lane of its own.
    Cart(AskedCart),
    /// A key has one first answer.
    Key(Scope),
}

impl CheckoutCommand {
    /// The lanes that the command occupies while it runs.
    pub(super) fn lanes(&self) -> Vec<Lane> {
        vec![
            Lane::Cart(self.request.asked_cart()),
            Lane::Key(self.scope.clone()),
        ]
    }
}
