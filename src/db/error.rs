//! Errors of statements, classified by what the caller can do.

use std::{fmt, io};

use super::{error_counts, stale_connections};

/// The operation of taking a connection from a pool, by which its errors are recognised.
pub(super) const GET_A_CONNECTION: &str = "get a connection";

/// A failed statement, and what it was for.
#[derive(Debug, thiserror::Error)]
#[error("could not {doing}: {}", plainly(cause))]
pub struct Error {
    doing: &'static str,
    // Not a `source`: its text is part of the message, and must not be printed twice.
    cause: sqlx::Error,
}

/// The advice for a role without the rights to migrate or to serve.
pub const NOT_ALLOWED: &str = "the role must own the database to migrate it; to serve, have its owner run \
    `splitcart migrate --grant-to ROLE`, and set SPLITCART_DATABASE_MIGRATE_ON_START=false";

/// The class of an error, by what the caller can do about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// A deadlock, a serialization failure, or a cached plan of tables that have changed. The
    /// transaction is lost; a retry is likely to succeed.
    Transient,
    /// A lock was held for longer than the limit, or the statement took too long. The transaction is lost;
    /// an immediate retry would only wait again.
    Busy,
    /// PostgreSQL can't be reached or used: it is starting or stopping, closed the connection, refuses
    /// logins, or has no memory or disk left. After a COMMIT the outcome is unknown.
    Unreachable,
    /// A retry would fail in the same way.
    Permanent,
}

impl Error {
    /// Classifies the error.
    pub fn fault(&self) -> Fault {
        match &self.cause {
            sqlx::Error::Io(_)
            | sqlx::Error::PoolTimedOut
            | sqlx::Error::PoolClosed
            | sqlx::Error::WorkerCrashed
            | sqlx::Error::Protocol(_)
            | sqlx::Error::Tls(_) => Fault::Unreachable,
            // No statement was sent yet, for whatever reason the server refused the login.
            sqlx::Error::Database(_) if self.is_about_a_login() => Fault::Unreachable,
            sqlx::Error::Database(database) => database
                .code()
                .map_or(Fault::Permanent, |code| fault_of(&code)),
            _ => Fault::Permanent,
        }
    }

    /// Makes the error of an operation that this process's time limit ended.
    pub(crate) fn timed_out(doing: &'static str) -> Self {
        let cause = sqlx::Error::Io(io::ErrorKind::TimedOut.into());
        Self::counted(doing, cause)
    }

    /// The same for an operation that is given up without being missed: it is no sign of a server's trouble
    /// and is not counted.
    pub(crate) fn given_up(doing: &'static str) -> Self {
        let cause = sqlx::Error::Io(io::ErrorKind::TimedOut.into());
        Self { doing, cause }
    }

    /// True if PostgreSQL, or a pooler in front of it, answers and refuses the login or the
    /// settings, so that waiting does not help.
    pub fn is_refusal(&self) -> bool {
        let code = self.code();
        // protocol_violation: PgBouncer's answer to startup parameters that it does not know.
        code.is_some_and(|code| code == "08P01" || is_of_class(&code, &["28", "3D"]))
    }

    /// True if the connection leads to a standby, which the service never uses.
    pub fn is_of_a_standby(&self) -> bool {
        super::primary::is_a_standby(&self.cause)
    }

    /// Advises the person who configured the URL.
    pub fn advice(&self) -> Option<&'static str> {
        let code = self.code();
        match (&self.cause, code.as_deref()) {
            (sqlx::Error::Io(error), _) => match error.kind() {
                io::ErrorKind::ConnectionRefused | io::ErrorKind::NotFound => Some(
                    "nothing listens there: is PostgreSQL running, and are host and port right in \
                     SPLITCART_DATABASE_URL?",
                ),
                io::ErrorKind::TimedOut => Some(
                    "something may accept connections there without answering (a firewall, a pooler that \
                     hangs, a port that is not PostgreSQL's)",
                ),
                io::ErrorKind::Unsupported => Some(
                    "name the primary in SPLITCART_DATABASE_URL, or all hosts with commas between them \
                     (docs/postgresql.md)",
                ),
                _ if error.to_string().contains("failed to lookup") => Some(
                    "no host has that name: if part of the name belongs to the password, write its \
                     @ : / ? # as %40 %3A %2F %3F %23 in SPLITCART_DATABASE_URL",
                ),
                _ => Some("is PostgreSQL listening there?"),
            },
            (sqlx::Error::Protocol(_) | sqlx::Error::Tls(_), _) => Some(
                "is PostgreSQL listening there, and does it accept TLS if sslmode asks for it?",
            ),
            (_, Some("28P01" | "28000")) => Some(
                "correct user and password in SPLITCART_DATABASE_URL, or allow the login in pg_hba.conf",
            ),
            (_, Some("08P01")) => Some(
                "a pooler such as PgBouncer refuses parameters that it does not know: leave them out of \
                 SPLITCART_DATABASE_URL",
            ),
            (_, Some("3D000")) => Some(
                "create the database (`createdb`), or name another one in SPLITCART_DATABASE_URL",
            ),
            (_, Some("42501")) => Some(NOT_ALLOWED),
            (_, Some("53300")) => {
                Some("PostgreSQL's max_connections, or the role's limit, is reached")
            }
            _ => None,
        }
    }

    /// True if no connection could be taken, as opposed to a statement that failed on one.
    pub fn is_about_a_login(&self) -> bool {
        self.doing == GET_A_CONNECTION
    }

    /// Makes the error of a login that is not tried because earlier logins failed.
    pub(super) fn logins_pause(reason: &str) -> Self {
        let source = io::Error::other(format!("logins fail at present ({reason})"));
        Self::counted(GET_A_CONNECTION, sqlx::Error::Io(source))
    }

    fn counted(doing: &'static str, cause: sqlx::Error) -> Self {
        let error = Self { doing, cause };
        error_counts::count(&error);
        error
    }

    fn code(&self) -> Option<String> {
        let database = self.cause.as_database_error()?;
        Some(database.code()?.into_owned())
    }

    /// The name of the constraint that refused the statement, if one did.
    pub fn constraint(&self) -> Option<&str> {
        self.cause
            .as_database_error()
            .and_then(sqlx::error::DatabaseError::constraint)
    }
}

/// PostgreSQL's message, without the line of its source code that sqlx adds.
pub(crate) fn plainly(error: &sqlx::Error) -> String {
    match error {
        sqlx::Error::Database(database) => database.message().to_owned(),
        sqlx::Error::Io(error) => error.to_string(),
        sqlx::Error::Configuration(error) => error.to_string(),
        other => other.to_string(),
    }
}

/// Classifies a SQLSTATE (PostgreSQL manual, appendix A).
fn fault_of(code: &str) -> Fault {
    match code {
        // serialization_failure, deadlock_detected.
        "40001" | "40P01" => Fault::Transient,
        code if plan_is_stale(code) => Fault::Transient,
        // lock_not_available (by our lock_timeout), query_canceled (by our statement_timeout).
        "55P03" | "57014" => Fault::Busy,
        // read_only_sql_transaction: after a failover this is a standby. The timeouts of an idle and of
        // a long transaction, which end the connection.
        "25006" | "25P03" | "25P04" => Fault::Unreachable,
        // Connection exceptions (of a pooler, too); insufficient resources (disk, memory, connections);
        // operator intervention (stopping, starting, a dropped database, an idle session's timeout); system
        // errors; refused logins, as while a password is being changed.
        code if is_of_class(code, &["08", "53", "57P0", "58", "28", "3D"]) => Fault::Unreachable,
        _ => Fault::Permanent,
    }
}

/// Recognises `feature_not_supported`, here always "cached plan must not change result type", and
/// `invalid_sql_statement_name`: the prepared statement no longer exists.
fn plan_is_stale(code: &str) -> bool {
    matches!(code, "0A000" | "26000")
}

fn is_of_class(code: &str, classes: &[&str]) -> bool {
    classes.iter().any(|class| code.starts_with(class))
}

/// Adds to a failed statement what it was for.
pub trait Doing<T> {
    /// `doing` completes the sentence "could not …".
    fn doing(self, doing: &'static str) -> Result<T, Error>;
}

impl<T> Doing<T> for Result<T, sqlx::Error> {
    fn doing(self, doing: &'static str) -> Result<T, Error> {
        self.map_err(|cause| {
            let error = Error::counted(doing, cause);
            if error.code().as_deref().is_some_and(plan_is_stale) {
                stale_connections::plans_are_stale();
            }
            error
        })
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sqlstates_are_classified_by_what_a_caller_can_do() {
        for (codes, fault) in [
            (&["40001", "40P01", "0A000", "26000"][..], Fault::Transient),
            (&["55P03", "57014"], Fault::Busy),
            (
                &[
                    "08006", "08P01", "53100", "53200", "53300", "53400", "57P01", "57P02",
                    "57P03", "57P04", "57P05", "58000", "58030", "25006", "25P03", "25P04",
                    "28P01", "3D000",
                ],
                Fault::Unreachable,
            ),
            (
                &["23505", "22003", "42P01", "XX000", "25P02"],
                Fault::Permanent,
            ),
        ] {
            for code in codes {
                assert_eq!(fault_of(code), fault, "{code}");
            }
        }
    }
}
