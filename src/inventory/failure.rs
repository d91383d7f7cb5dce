//! The failures of an attempt, and what is done about each.
//!
//! | what went wrong | what is done |
//! |---|---|
//! | no connection in time | refused: the database is away |
//! | a statement: the connection was lost, a deadlock | again |
//! | a statement: others hold a row, a key or a table | again, and refused in the end |
//! | the commit's outcome is unknown, the key was taken, a row of stock appeared, the vendor's actor was lost | again |
//! | the deadline has passed, the vendor's turn came too late | refused |
//! | a panic, anything else | failed |

use crate::{
    db::{self, Fault, inventory::COUNT_KEY_TAKEN},
    vendors::actor::ReserveError,
};

/// The reason for which an attempt failed. Its transaction is rolled back, unless the commit's outcome is
/// unknown.
#[derive(Debug, thiserror::Error)]
pub(super) enum AttemptError {
    #[error(transparent)]
    Begin(db::Error),
    #[error(transparent)]
    Statement(db::Error),
    #[error(transparent)]
    Turn(#[from] ReserveError),
    #[error("the commit's outcome is unknown: {0}")]
    CommitUnknown(db::Error),
    #[error("the transaction took longer than it may")]
    DeadlinePassed,
    #[error("a panic, reported where it struck")]
    Panicked,
    #[error("another transaction has written the idempotency key")]
    KeyTaken,
    #[error("another transaction has inserted a row of stock")]
    RowAppeared,
}

/// The remedy for a failed attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Remedy {
    /// Try once more. After the last try the caller is told that the outcome is not known.
    Again,
    /// Try once more. After the last try the caller is told to come back.
    AgainThenRefuse,
    Refuse,
    Fail,
    DatabaseIsAway,
}

impl From<db::Error> for AttemptError {
    fn from(error: db::Error) -> Self {
        if error.constraint() == Some(COUNT_KEY_TAKEN) {
            Self::KeyTaken
        } else {
            Self::Statement(error)
        }
    }
}

impl AttemptError {
    pub(super) fn remedy(&self) -> Remedy {
        match self {
            Self::Begin(_) => Remedy::DatabaseIsAway,
            Self::Statement(error) => match error.fault() {
                Fault::Transient | Fault::Unreachable => Remedy::Again,
                Fault::Busy => Remedy::AgainThenRefuse,
                Fault::Permanent => Remedy::Fail,
            },
            Self::CommitUnknown(_) | Self::Turn(ReserveError::ActorLost) => Remedy::Again,
            Self::KeyTaken | Self::RowAppeared => Remedy::AgainThenRefuse,
            Self::DeadlinePassed
            | Self::Turn(ReserveError::DeadlinePassed | ReserveError::NoAnswer) => Remedy::Refuse,
            Self::Panicked => Remedy::Fail,
        }
    }

    /// True if a commit may have been sent whose outcome is unknown.
    pub(super) fn is_commit_unknown(&self) -> bool {
        // A panic may have struck after the commit was sent.
        matches!(self, Self::CommitUnknown(_) | Self::Panicked)
    }

    /// True if PostgreSQL has fallen silent on the connection. The server may not notice for a while that
    /// the transaction was given up.
    pub(super) fn is_silence(&self) -> bool {
        matches!(self, Self::DeadlinePassed | Self::CommitUnknown(_))
    }
}
