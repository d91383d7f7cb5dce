//! What a failed statement means for its caller.

use std::{fmt, io};

/// A failed statement, with what we were about to do.
#[derive(Debug, thiserror::Error)]
#[error("could not {doing}: {source}")]
pub struct Error {
    doing: &'static str,
    source: sqlx::Error,
}

/// What a caller can do about a failed statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Deadlock or serialization failure: the transaction is gone, trying it again may well work.
    Transient,
    /// Somebody else holds a row for longer than we wait, or the statement took too long: the
    /// transaction is gone, and trying it again at once would only wait again.
    Busy,
    /// PostgreSQL can't be reached, is starting or stopping, or has cut the connection. After a
    /// COMMIT the outcome is unknown.
    Unreachable,
    /// Trying again would fail in the same way.
    Permanent,
}

impl Error {
    /// Whether trying again can help.
    pub fn fault(&self) -> Fault {
        match &self.source {
            sqlx::Error::Io(_)
            | sqlx::Error::PoolTimedOut
            | sqlx::Error::PoolClosed
            | sqlx::Error::WorkerCrashed
            | sqlx::Error::Protocol(_)
            | sqlx::Error::Tls(_) => Fault::Unreachable,
            sqlx::Error::Database(database) => database
                .code()
                .map_or(Fault::Permanent, |code| fault_of(&code)),
            _ => Fault::Permanent,
        }
    }

    /// What we were about to do was not done in time.
    pub(crate) fn timed_out(doing: &'static str) -> Self {
        let source = sqlx::Error::Io(io::ErrorKind::TimedOut.into());
        Self { doing, source }
    }

    /// The constraint that refused the statement, if one did.
    pub fn constraint(&self) -> Option<&str> {
        self.source
            .as_database_error()
            .and_then(sqlx::error::DatabaseError::constraint)
    }
}

/// By SQLSTATE (PostgreSQL manual, appendix A).
fn fault_of(code: &str) -> Fault {
    match code {
        // serialization_failure, deadlock_detected.
        "40001" | "40P01" => Fault::Transient,
        // lock_not_available (by our lock_timeout), query_canceled (by our statement_timeout).
        "55P03" | "57014" => Fault::Busy,
        // admin_shutdown, crash_shutdown, cannot_connect_now, idle_in_transaction_session_timeout,
        // too_many_connections; read_only_sql_transaction: a failover has left us with a standby.
        "57P01" | "57P02" | "57P03" | "25P03" | "53300" | "25006" => Fault::Unreachable,
        code if code.starts_with("08") => Fault::Unreachable,
        _ => Fault::Permanent,
    }
}

/// Says what was being done when a statement failed.
pub(crate) trait Doing<T> {
    /// `doing` completes the sentence "could not …".
    fn doing(self, doing: &'static str) -> Result<T, Error>;
}

impl<T> Doing<T> for Result<T, sqlx::Error> {
    fn doing(self, doing: &'static str) -> Result<T, Error> {
        self.map_err(|source| Error { doing, source })
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Transient => "transient",
            Self::Busy => "busy",
            Self::Unreachable => "unreachable",
            Self::Permanent => "permanent",
        })
    }
}
