//! What the coordinator is asked, and what it answers.

use crate::domain::{
    checkout::{AskedCart, CheckoutRequest},
    idempotency::{Fingerprint, Scope, StoredResponse},
    order::Checkout,
    refusal::Refusal,
};

/// A checkout that is to be carried out exactly once per scope.
#[derive(Clone, Debug)]
pub struct CheckoutCommand {
    /// What is asked.
    pub request: CheckoutRequest,
    /// Whose key it is, and which.
    pub scope: Scope,
    /// Of the request's body.
    pub fingerprint: Fingerprint,
    /// Writes the answer that is kept in the transaction: how an answer looks is the caller's
    /// business, that it is durable is ours.
    pub render: fn(&Checkout) -> StoredResponse,
}

/// What became of a checkout that the database has decided about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// It was carried out just now.
    Created(StoredResponse),
    /// It had been carried out before: the first answer again.
    Replayed(StoredResponse),
    /// It was refused; nothing was written and the key stays free.
    Refused(Refusal),
}

/// Two commands in one lane never run at the same time and never share a transaction.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Lane {
    /// A cart can be bought once: the second checkout must see what the first has done. A stranger's
    /// checkouts of it are in a lane of their own.
    Cart(AskedCart),
    /// A key has one first answer.
    Key(Scope),
}

impl CheckoutCommand {
    /// The lanes that it occupies while it runs.
    pub fn lanes(&self) -> Vec<Lane> {
        vec![
            Lane::Cart(self.request.asked_cart()),
            Lane::Key(self.scope.clone()),
        ]
    }
}
