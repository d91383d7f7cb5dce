//! Removes idempotency keys that have expired, a few at a time, in the background.

use std::time::Duration;

use chrono::Utc;
use sqlx::PgPool;
use tokio::sync::watch;

use crate::db;

/// How often it looks.
const LOOK_EVERY: Duration = Duration::from_mins(5);
/// The most keys removed by one statement, so that none holds locks for long.
const ROWS_MAX: i64 = 1000;

/// Sweeps until `stopping` is true.
pub async fn run(pool: PgPool, mut stopping: watch::Receiver<bool>) {
    while !*stopping.borrow_and_update() {
        if let Err(error) = sweep(&pool).await {
            tracing::warn!("the sweeper will try again: {error}");
        }
        tokio::select! {
            () = tokio::time::sleep(LOOK_EVERY) => {}
            _ = stopping.changed() => {}
        }
    }
}

async fn sweep(pool: &PgPool) -> Result<(), db::Error> {
    sweep_cart_answers(pool).await?;
    loop {
        let mut connection = db::pool::acquire(pool).await?;
        let removed = db::idempotency::sweep_expired(&mut connection, Utc::now(), ROWS_MAX).await?;
        if removed < ROWS_MAX.unsigned_abs() {
            return Ok(());
        }
    }
}

async fn sweep_cart_answers(pool: &PgPool) -> Result<(), db::Error> {
    loop {
        let mut connection = db::pool::acquire(pool).await?;
        let removed = db::carts::sweep_expired_answers(&mut connection, ROWS_MAX).await?;
        if removed < ROWS_MAX.unsigned_abs() {
            return Ok(());
        }
    }
}
