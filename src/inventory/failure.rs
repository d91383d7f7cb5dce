//! The failures of an attempt, and what is done about each.
//!
//! | what went wrong | what is done |
//! |---|---|
//! | others hold rows of stock | again, when they are free |
//! | no connection in time | refused: the database is away |
//! | a statement: the connection was lost, a deadlock | again |
//! | a statement: others hold another row, a key or a table | again, and refused in the end |
//! | the commit's outcome is unknown, the vendor's actor was lost | again |
//! | the key was taken, a row of stock appeared | again, and refused in the end |
//! | the deadline has passed, the vendor's turn came too late | refused |
//! | a panic, anything else | failed |

use crate::{
    db::{self, Fault, inventory::COUNT_KEY_TAKEN},
    held_rows::Row,
    vendors::{actor::ReserveError, unit_of_work::Failed},
};

/// The reason for which a script has ended early. Its transaction is rolled back.
#[derive(Debug, thiserror::Error)]
pub(super) enum ScriptError {
    #[error("others hold rows of stock")]
    Held(Vec<Row>),
    #[error(transparent)]
    Statement(db::Error),
    #[error(transparent)]
    Turn(#[from] ReserveError),
    #[error("another transaction has written the idempotency key")]
    KeyTaken,
    #[error("another transaction has inserted a row of stock")]
    RowAppeared,
}

impl From<db::Error> for ScriptError {
    fn from(error: db::Error) -> Self {
        if error.constraint() == Some(COUNT_KEY_TAKEN) {
            Self::KeyTaken
        } else {
            Self::Statement(error)
        }
    }
}

/// The remedy for a failed attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Remedy {
    /// Wait until these rows are free.
    WaitFor(Vec<Row>),
    /// Try once more. After the last try the caller is told that the outcome is not known.
    Again,
    /// Try once more. After the last try the caller is told to come back.
    AgainThenRefuse,
    Refuse,
    Fail,
    DatabaseIsAway,
}

impl Remedy {
    pub(super) fn of(error: &Failed<ScriptError>) -> Self {
        match error {
            Failed::Begin(_) => Self::DatabaseIsAway,
            Failed::CommitUnknown(_) => Self::Again,
            Failed::DeadlinePassed => Self::Refuse,
            Failed::Panicked => Self::Fail,
            Failed::Script(error) => match error {
                ScriptError::Held(rows) => Self::WaitFor(rows.clone()),
                ScriptError::Statement(error) => match error.fault() {
                    Fault::Transient | Fault::Unreachable => Self::Again,
                    Fault::Busy => Self::AgainThenRefuse,
                    Fault::Permanent => Self::Fail,
                },
                ScriptError::Turn(ReserveError::ActorLost) => Self::Again,
                ScriptError::Turn(ReserveError::DeadlinePassed | ReserveError::NoAnswer) => {
                    Self::Refuse
                }
                ScriptError::KeyTaken | ScriptError::RowAppeared => Self::AgainThenRefuse,
            },
        }
    }
}
