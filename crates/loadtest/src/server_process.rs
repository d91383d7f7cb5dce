//! A `splitcart serve` that this process has started: where it may listen, until it is ready, and its end.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    time::Duration,
};

use anyhow::{Context, bail, ensure};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use tokio::process::Child;

const READY_WAIT_MAX: Duration = Duration::from_mins(1);
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Two different addresses. Another process may take one before the server does; the server then reports it
/// and ends.
pub(crate) fn free_addresses() -> anyhow::Result<[SocketAddr; 2]> {
    let two = || {
        let listen = || TcpListener::bind((Ipv4Addr::LOCALHOST, 0));
        let (one, other) = (listen()?, listen()?);
        io::Result::Ok([one.local_addr()?, other.local_addr()?])
    };
    two().context("there is no free port")
}

/// Returns when the server is ready.
///
/// # Errors
/// The server has ended instead, or is not ready in time.
pub(crate) async fn until_ready(server: &mut Child, ops: SocketAddr) -> anyhow::Result<()> {
    let client = reqwest::Client::new();
    let url = format!("http://{ops}/readyz");
    let ready = async {
        loop {
            let answer = client.get(&url).send().await;
            if answer.is_ok_and(|answer| answer.status().is_success()) {
                return;
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    };
    tokio::select! {
        ready = tokio::time::timeout(READY_WAIT_MAX, ready) => {
            ready.context("the server was not ready in a minute")
        }
        status = server.wait() => bail!("the server did not start: {}", status?),
    }
}

/// Lets the server finish what it has accepted, and kills it if that takes too long.
///
/// # Errors
/// The server was killed, or did not succeed.
pub(crate) async fn end(server: &mut Child, wait_max: Duration) -> anyhow::Result<()> {
    if let Some(pid) = pid(server) {
        // The server may have ended just now.
        let _ = kill(pid, Signal::SIGTERM);
    }
    let Ok(status) = tokio::time::timeout(wait_max, server.wait()).await else {
        server.kill().await?;
        bail!("the server did not end within {wait_max:?} and was killed");
    };
    let status = status?;
    ensure!(status.success(), "the server ended with {status}");
    Ok(())
}

/// The process; none once it has been seen to end.
pub(crate) fn pid(server: &Child) -> Option<Pid> {
    let pid = server.id()?;
    i32::try_from(pid).ok().map(Pid::from_raw)
}
