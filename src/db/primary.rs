//! Finds the primary among several hosts, at first and after a failover.
//!
//! The process goes on with the host that it found last. A pool that can't open a connection there looks at
//! all hosts, and goes to the one that writes.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures_util::future::{FutureExt as _, select_ok};
use sqlx::{Connection, PgConnection, PgPool, Row, postgres::PgConnectOptions};
use tokio::{
    sync::Mutex,
    time::{Instant, sleep, timeout},
};

use super::{
    address::{Address, Wanted, name_of},
    pooled::Traits,
    stale_connections,
};

/// The host in use, by its place in the URL. All pools of the process lead to one server.
static IN_USE: AtomicUsize = AtomicUsize::new(0);

/// The end of the last look at all hosts.
static LOOKED_AT: Mutex<Option<Instant>> = Mutex::const_new(None);

/// The time in which a host must answer, where there are others.
const HOST_WAIT_MAX: Duration = Duration::from_millis(800);
/// The time for which a pool tries the host in use before it looks at the others.
const LOOK_AFTER: Duration = Duration::from_millis(100);
/// The pause between two looks.
const LOOK_AGAIN_AFTER: Duration = Duration::from_millis(250);

/// The host in use.
pub(super) fn in_use(hosts: &[PgConnectOptions]) -> &PgConnectOptions {
    &hosts[IN_USE.load(Ordering::Relaxed) % hosts.len()]
}

/// The error of a connection that leads to a standby.
pub(super) fn only_reads() -> sqlx::Error {
    // The kind by which `Error::advice` knows it.
    let what = "this server is a standby, which only reads";
    sqlx::Error::Io(io::Error::new(io::ErrorKind::Unsupported, what))
}

/// Connects to the host in use or else to one of the others.
pub(super) async fn connect(
    address: &Address,
    wanted: Wanted,
    adapt: impl Fn(PgConnectOptions) -> PgConnectOptions,
) -> Result<PgConnection, sqlx::Error> {
    let count = address.hosts.len();
    let start = IN_USE.load(Ordering::Relaxed);
    let mut failed = None;
    for nr in (0..count).map(|step| (start + step) % count) {
        let host = adapt(address.hosts[nr].clone());
        let attempt = connect_to(&host, wanted);
        let attempt = if count == 1 {
            attempt.await
        } else {
            let attempt = timeout(HOST_WAIT_MAX, attempt).await;
            attempt.unwrap_or_else(|_| Err(sqlx::Error::Io(io::ErrorKind::TimedOut.into())))
        };
        match attempt {
            Ok(connection) => {
                if wanted == Wanted::Primary {
                    use_host(nr, &host);
                }
                return Ok(connection);
            }
            // Of several failures, that of a standby says least.
            Err(error) if failed.is_none() || !is_a_standby(&error) => failed = Some(error),
            Err(_) => {}
        }
    }
    Err(failed.expect("a URL has a host"))
}

async fn connect_to(host: &PgConnectOptions, wanted: Wanted) -> Result<PgConnection, sqlx::Error> {
    let mut connection = PgConnection::connect_with(host).await?;
    if wanted == Wanted::Primary {
        // Not prepared: behind a pooler, that is for transactions only.
        let row = sqlx::raw_sql("select pg_is_in_recovery()");
        let row = row.fetch_one(&mut connection).await?;
        if row.try_get::<bool, _>(0)? {
            return Err(only_reads());
        }
    }
    Ok(connection)
}

/// True of the error of [`only_reads`].
pub(super) fn is_a_standby(error: &sqlx::Error) -> bool {
    matches!(error, sqlx::Error::Io(error) if error.kind() == io::ErrorKind::Unsupported)
}

fn use_host(nr: usize, host: &PgConnectOptions) {
    if IN_USE.swap(nr, Ordering::Relaxed) != nr {
        stale_connections::the_server_is_another();
        tracing::warn!("PostgreSQL's primary is at {} now", name_of(host));
    }
}

/// Makes a pool open its next connections to the host in use.
pub(super) fn follow(pool: &PgPool, traits: &Traits) {
    let host = in_use(&traits.hosts);
    let current = pool.connect_options();
    let same = current.get_socket() == host.get_socket()
        && current.get_host() == host.get_host()
        && current.get_port() == host.get_port();
    if !same {
        pool.set_connect_options(host.clone());
    }
}

/// Resolves when another host than at the call is in use: looks for the primary while this is waited for.
pub(super) async fn has_moved(traits: Arc<Traits>) {
    let before = IN_USE.load(Ordering::Relaxed);
    sleep(LOOK_AFTER).await;
    loop {
        // Many wait at a time, also where it is only that all connections are in use. One of them looks.
        let mut looked_at = LOOKED_AT.lock().await;
        if !looked_at.is_some_and(|at| at.elapsed() < LOOK_AGAIN_AFTER) {
            look_at_all(&traits.hosts).await;
            *looked_at = Some(Instant::now());
        }
        drop(looked_at);
        if IN_USE.load(Ordering::Relaxed) != before {
            return;
        }
        sleep(LOOK_AGAIN_AFTER).await;
    }
}

/// Asks all hosts at once. The first that writes is used from now on.
async fn look_at_all(hosts: &[PgConnectOptions]) {
    let asked = hosts.iter().enumerate();
    let asked = asked.map(|(nr, host)| ask(nr, host).boxed());
    if let Ok((nr, _)) = select_ok(asked).await {
        use_host(nr, &hosts[nr]);
    }
}

/// Returns the host's number if it writes.
async fn ask(nr: usize, host: &PgConnectOptions) -> Result<usize, ()> {
    match timeout(HOST_WAIT_MAX, connect_to(host, Wanted::Primary)).await {
        Ok(Ok(_)) => Ok(nr),
        _ => Err(()),
    }
}
