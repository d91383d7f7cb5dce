//! Names the database that answers in Redis are of.
//!
//! Redis may be shared by several databases, or outlive one that is restored. Its keys name the incarnation
//! of the database, so that no answer is about orders that this database does not have. The name is read at
//! start and every few seconds, and again before an answer from Redis is repeated.

use std::{
    fmt,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use sqlx::PgPool;
use tokio::sync::watch;

use crate::db;

use super::hex::short_digest;

const READ_EVERY: Duration = Duration::from_secs(5);
const READ_MAX: Duration = Duration::from_secs(5);

/// An incarnation's name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name(Arc<str>);

impl Name {
    /// Shortens the text that identifies an incarnation ([`db::incarnation::read`]).
    pub fn of(incarnation: &str) -> Self {
        Self(short_digest(incarnation.as_bytes()).into())
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The name that was read last. Clones share it.
#[derive(Clone, Debug)]
pub struct Incarnation(Arc<RwLock<Name>>);

impl Incarnation {
    /// Reads the name for the first time.
    pub async fn read(pool: &PgPool) -> Result<Self, db::Error> {
        Ok(Self(Arc::new(RwLock::new(read(pool).await?))))
    }

    /// The present name.
    pub fn current(&self) -> Name {
        self.0
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Stores a name that was just read.
    pub fn set(&self, name: Name) {
        if self.current() != name {
            tracing::info!("the database was replaced or restored; its incarnation is now {name}");
            *self.0.write().unwrap_or_else(PoisonError::into_inner) = name;
        }
    }

    /// Reads the name at an interval until `stopping` is true.
    pub async fn keep_current(self, pool: PgPool, mut stopping: watch::Receiver<bool>) {
        while !*stopping.borrow_and_update() {
            tokio::select! {
                () = tokio::time::sleep(READ_EVERY) => {}
                _ = stopping.changed() => continue,
            }
            match read(&pool).await {
                Ok(name) => self.set(name),
                Err(error) => {
                    tracing::debug!("the incarnation of the database could not be read: {error}");
                }
            }
        }
    }
}

/// Reads within a time limit of this process: PostgreSQL's own timeouts do not work while it hangs.
async fn read(pool: &PgPool) -> Result<Name, db::Error> {
    let incarnation = async {
        let mut connection = db::pool::acquire(pool).await?;
        db::incarnation::read(&mut connection).await
    };
    let incarnation = tokio::time::timeout(READ_MAX, incarnation)
        .await
        .unwrap_or_else(|_| Err(db::Error::timed_out("ask which database this is")))?;
    Ok(Name::of(&incarnation))
}
