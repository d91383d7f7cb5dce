//! The failures of an attempt, and what is done about each.
//!
//! | what went wrong | what is done |
//! |---|---|
//! | no connection in time | all members are refused: the database is away |
//! | a statement: the connection was lost, a deadlock | again |
//! | a statement: a row is held by others, or anything else | apart |
//! | a whole table is locked, the deadline has passed, a vendor's turn came too late | all are refused |
//! | the reservation was not answered, the commit's outcome is unknown | again |
//! | stock has moved, an idempotency key was taken | again |
//! | a panic, a vendor's actor was lost | apart |
//!
//! *Again* is a new attempt, without the members that are known to be the cause. *Apart* is the slow lane,
//! where a cause that is not known is found by halving. A member that still fails alone is answered by
//! [`give_up`].

use std::time::Duration;

use crate::{
    batching::Undecided,
    db::{self, Fault, locked_tables::TableLock},
    held_rows::Row,
    vendors::actor::ReserveError,
};

use super::{BatchContext, CheckoutMember, outcome::refuse};

/// The reason for which an attempt failed. Its transaction is rolled back, unless the commit's outcome is
/// unknown.
#[derive(Debug, thiserror::Error)]
pub(super) enum AttemptError {
    #[error(transparent)]
    Begin(db::Error),
    #[error(transparent)]
    Statement(#[from] db::Error),
    #[error(transparent)]
    Reserve(#[from] ReserveError),
    #[error("a whole table is locked: {0}")]
    TableLocked(TableLock),
    #[error("the commit's outcome is unknown: {0}")]
    CommitUnknown(String),
    #[error("the transaction took longer than it may")]
    DeadlinePassed,
    #[error("a panic, reported where it struck")]
    Panicked,
    #[error("another transaction has written one of the idempotency keys")]
    KeyTaken,
    #[error("stock was taken between reading and reserving it")]
    StockMoved,
}

/// A failed attempt.
pub(super) struct Failure {
    pub error: AttemptError,
    /// One per member, in the same order.
    pub causes: Vec<Cause>,
}

/// The part of a member in the failure of its attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Cause {
    /// Nothing is known: the member may be the cause or not.
    Unknown,
    /// The member needs these rows, and others hold them.
    Held(Vec<Row>),
    /// The member's key is in an uncommitted transaction of others, which shows only in trying.
    KeyHeld,
    /// The member wants products whose stock has moved.
    StockMoved,
}

/// The remedy for a failed attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Remedy {
    /// Try once more: the reason is over, or the causes are known and set aside.
    Again,
    /// Try among fewer: one member may be the cause, or each of them.
    Apart,
    /// Refuse all: no member would fare better alone.
    Refuse,
    /// Refuse all, and all that wait: there is no connection to be had.
    DatabaseIsAway,
}

impl AttemptError {
    /// A short name, for traces.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Begin(_) => "no_connection",
            Self::Statement(error) => match error.fault() {
                Fault::Transient => "transient",
                Fault::Unreachable => "unreachable",
                Fault::Busy => "busy",
                Fault::Permanent => "statement_failed",
            },
            Self::Reserve(ReserveError::NoAnswer) => "no_answer",
            Self::Reserve(ReserveError::ActorLost) => "actor_lost",
            Self::DeadlinePassed | Self::Reserve(ReserveError::DeadlinePassed) => "deadline_passed",
            Self::TableLocked(_) => "table_locked",
            Self::CommitUnknown(_) => "commit_unknown",
            Self::Panicked => "panic",
            Self::KeyTaken => "key_taken",
            Self::StockMoved => "stock_moved",
        }
    }

    pub(super) fn remedy(&self) -> Remedy {
        match self {
            Self::Begin(_) => Remedy::DatabaseIsAway,
            Self::Statement(error) => match error.fault() {
                Fault::Transient | Fault::Unreachable => Remedy::Again,
                Fault::Busy | Fault::Permanent => Remedy::Apart,
            },
            Self::CommitUnknown(_)
            | Self::KeyTaken
            | Self::StockMoved
            | Self::Reserve(ReserveError::NoAnswer) => Remedy::Again,
            Self::Panicked | Self::Reserve(ReserveError::ActorLost) => Remedy::Apart,
            Self::DeadlinePassed
            | Self::TableLocked(_)
            | Self::Reserve(ReserveError::DeadlinePassed) => Remedy::Refuse,
        }
    }

    /// True if a commit may have been sent whose outcome is unknown.
    pub(super) fn is_commit_unknown(&self) -> bool {
        // A panic may have struck after the commit was sent.
        matches!(self, Self::CommitUnknown(_) | Self::Panicked)
    }

    /// True if others hold a row or a table that is needed.
    pub(super) fn is_busy(&self) -> bool {
        matches!(self, Self::Statement(error) if error.fault() == Fault::Busy)
    }

    /// True if PostgreSQL has fallen silent on the connection. The server may not notice for a while that
    /// the transaction was given up.
    pub(super) fn is_silence(&self) -> bool {
        matches!(
            self,
            Self::DeadlinePassed | Self::Reserve(ReserveError::NoAnswer) | Self::CommitUnknown(_)
        )
    }
}

/// Answers a member that is not tried again.
pub(super) fn give_up(context: &BatchContext, member: CheckoutMember, error: &AttemptError) {
    let cart = member.command.request.cart_id;
    match error.remedy() {
        Remedy::DatabaseIsAway | Remedy::Again => {
            member.answer(context, Err(Undecided::Unavailable));
        }
        Remedy::Apart if !error.is_busy() => {
            tracing::error!(
                http.request_id = member.request_id(),
                cart.id = %cart,
                "checkout of cart {cart} failed: {error}"
            );
            let undecided = if member.notes.is_commit_unknown {
                Undecided::Unavailable
            } else {
                Undecided::Failed
            };
            member.answer(context, Err(undecided));
        }
        Remedy::Apart => {
            log_refused(&member, error);
            // This cart waited for something that no look can find, and must not hold others up again soon.
            let wait = context
                .held_rows
                .note_stuck(member.command.request.asked_cart());
            refuse(context, member, wait);
        }
        Remedy::Refuse => {
            log_refused(&member, error);
            refuse(context, member, Duration::ZERO);
        }
    }
}

fn log_refused(member: &CheckoutMember, error: &AttemptError) {
    let cart = member.command.request.cart_id;
    tracing::warn!(
        http.request_id = member.request_id(),
        cart.id = %cart,
        "cart {cart} was refused: {error}"
    );
}
