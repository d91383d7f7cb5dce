//! Which database Redis' answers are of.
//!
//! Redis may be shared by several databases, or outlive one that is restored: its keys name the
//! database's incarnation, so that an answer is never of orders that are not there. The name is read at
//! start and every few seconds; whoever is about to repeat what Redis says reads it again first.

use std::{
    fmt,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use sha2::{Digest, Sha256};
use sqlx::PgPool;
use tokio::sync::watch;

use crate::db;

use super::keys::hex;

/// How often the name is read when nobody asks.
const READ_EVERY: Duration = Duration::from_secs(5);
/// How long that may take.
const READ_MAX: Duration = Duration::from_secs(5);

/// An incarnation's name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name(Arc<str>);

impl Name {
    /// A digest of what tells it from others.
    pub fn of(incarnation: &str) -> Self {
        let digest = Sha256::digest(incarnation.as_bytes());
        Self(hex(&digest[..8]).into())
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The name as it was last read. Cloning shares it.
#[derive(Clone, Debug)]
pub struct Incarnation(Arc<RwLock<Name>>);

impl Incarnation {
    /// Reads it for the first time.
    ///
    /// # Errors
    /// PostgreSQL did not answer.
    pub async fn read(pool: &PgPool) -> Result<Self, db::Error> {
        Ok(Self(Arc::new(RwLock::new(read(pool).await?))))
    }

    /// The name.
    pub fn current(&self) -> Name {
        self.0
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Takes a name that was read just now.
    pub fn set(&self, name: Name) {
        if self.current() != name {
            tracing::info!("this is another database now, or a restored one: {name}");
            *self.0.write().unwrap_or_else(PoisonError::into_inner) = name;
        }
    }

    /// Reads it again and again until `stopping` is true.
    pub async fn keep_current(self, pool: PgPool, mut stopping: watch::Receiver<bool>) {
        while !*stopping.borrow_and_update() {
            tokio::select! {
                () = tokio::time::sleep(READ_EVERY) => {}
                _ = stopping.changed() => continue,
            }
            match read(&pool).await {
                Ok(name) => self.set(name),
                Err(error) => tracing::debug!("the database's name is as it was: {error}"),
            }
        }
    }
}

/// PostgreSQL's own timeouts are of no use when it is PostgreSQL that hangs.
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
