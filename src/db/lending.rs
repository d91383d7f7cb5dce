//! Takes connections from pools: idle ones, new ones, or those that others give back.
//!
//! While the server takes nobody new, a pool of sqlx tries to log in for as long as a caller may wait, and
//! leaves idle connections alone. Here a caller gets what is idle first, and logins that fail are few.

use std::time::{Duration, Instant};

use sqlx::{PgPool, Postgres, pool::PoolConnection};

use super::{
    error::{Doing, Error, GET_A_CONNECTION},
    login_backoff, pooled, primary,
};

/// The interval at which an idle connection is looked for while a login is tried, and while logins pause.
const LOOK_AGAIN_AFTER: Duration = Duration::from_millis(5);

/// Takes a connection from a pool.
pub(super) async fn take(pool: &PgPool) -> Result<PoolConnection<Postgres>, Error> {
    wait_for_a_login(pool).await?;
    let taken = if would_log_in(pool) {
        log_in_or_borrow(pool).await
    } else {
        lend_in_turn(pool).await
    };
    taken.doing(GET_A_CONNECTION)
}

/// True if the pool has no connection to lend, and may open another one.
fn would_log_in(pool: &PgPool) -> bool {
    pool.num_idle() == 0 && pool.size() < pool.options().get_max_connections()
}

/// Opens a connection, and meanwhile waits for one that others give back. A connection that is opened too late
/// for this caller is there for the next.
async fn log_in_or_borrow(pool: &PgPool) -> Result<PoolConnection<Postgres>, sqlx::Error> {
    let logs_in = pool.clone();
    let mut login = tokio::spawn(async move { lend(&logs_in).await });
    // A task is only cancelled when its runtime ends.
    let closed = |_| Err(sqlx::Error::PoolClosed);
    while would_log_in(pool) {
        tokio::select! {
            biased;
            opened = &mut login => return opened.unwrap_or_else(closed),
            () = tokio::time::sleep(LOOK_AGAIN_AFTER) => {}
        }
    }
    tokio::select! {
        biased;
        Ok(Ok(opened)) = &mut login => Ok(opened),
        borrowed = lend_in_turn(pool) => borrowed,
    }
}

/// Waits for the turn of this caller. A turn that comes because a login has failed is a login again, so while
/// logins fail the caller takes whatever is idle instead.
async fn lend_in_turn(pool: &PgPool) -> Result<PoolConnection<Postgres>, sqlx::Error> {
    let is_idle_while_logins_fail = async || {
        loop {
            tokio::time::sleep(LOOK_AGAIN_AFTER).await;
            if pool.num_idle() > 0 && login_backoff::are_failing() {
                return;
            }
        }
    };
    loop {
        tokio::select! {
            biased;
            lent = lend(pool) => return lent,
            () = is_idle_while_logins_fail() => {}
        }
    }
}

/// Takes a connection from a pool, and records whether logins succeed.
async fn lend(pool: &PgPool) -> Result<PoolConnection<Postgres>, sqlx::Error> {
    let began = Instant::now();
    let acquired = from_the_primary(pool).await;
    match &acquired {
        Ok(_) | Err(sqlx::Error::PoolClosed) => {}
        // All connections are in use, which says nothing about logins.
        Err(sqlx::Error::PoolTimedOut) if pool.size() >= pool.options().get_max_connections() => {}
        Err(error) => login_backoff::failed(error.to_string(), began),
    }
    acquired
}

/// Takes a connection from a pool. Where there are several hosts, follows the primary.
async fn from_the_primary(pool: &PgPool) -> Result<PoolConnection<Postgres>, sqlx::Error> {
    let traits = pooled::traits_of(pool).filter(|traits| traits.hosts.len() > 1);
    let Some(traits) = traits else {
        return pool.acquire().await;
    };
    loop {
        primary::follow(pool, &traits);
        tokio::select! {
            acquired = pool.acquire() => return acquired,
            // The attempt at the former host is given up.
            () = primary::has_moved(traits.clone()) => {}
        }
    }
}

/// Returns when an idle connection exists or a login may be tried. While logins pause, waits for
/// connections that the pool has; fails at once if it has none.
async fn wait_for_a_login(pool: &PgPool) -> Result<(), Error> {
    let give_up = Instant::now() + pool.options().get_acquire_timeout();
    while pool.num_idle() == 0 {
        let Err(reason) = login_backoff::may_try() else {
            break;
        };
        if pool.size() == 0 || Instant::now() >= give_up {
            return Err(Error::logins_pause(&reason));
        }
        tokio::time::sleep(LOOK_AGAIN_AFTER).await;
    }
    Ok(())
}
