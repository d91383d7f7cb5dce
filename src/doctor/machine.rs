//! Looks at this machine: open files, ports, the disk of private servers, and a service that runs here.

use std::{io, net::SocketAddr, path::Path};

use nix::sys::{
    resource::{Resource, getrlimit},
    statvfs::statvfs,
};
use serde_json::Value;

use crate::{
    app::http_options::{too_few, wanted},
    config::Config,
    http::{connection::place::Connections, listener},
};

use super::{Subject, report::Line, running::Running};

const OPEN_FILES: &str = "machine.open_files";
const HTTP_PORT: &str = "machine.http_port";
const OPS_PORT: &str = "machine.ops_port";
const SERVICE: &str = "machine.service";
const PROGRAMS: &str = "machine.private_servers";
const DISK: &str = "machine.disk";

/// Less free space than that is soon used up by the logs of PostgreSQL and Redis.
const FREE_BYTES_MIN: u64 = 2 * 1024 * 1024 * 1024;

pub(super) async fn look(subject: &Subject, running: impl Future<Output = Running>) -> Vec<Line> {
    let config = &subject.config;
    let mut lines = vec![open_files(config)];
    let running = running.await;
    lines.push(port(
        HTTP_PORT,
        "SPLITCART_HTTP_ADDR",
        config.http.addr,
        &running,
    ));
    lines.push(port(
        OPS_PORT,
        "SPLITCART_OPS_ADDR",
        config.ops.addr,
        &running,
    ));
    lines.push(service(config.ops.addr, &running));
    if let Some(data_dir) = &subject.data_dir {
        lines.push(programs());
        lines.push(disk(data_dir));
    }
    lines
}

/// Judges the hard limit, to which the service raises its own.
fn open_files(config: &Config) -> Line {
    let limit = match getrlimit(Resource::RLIMIT_NOFILE) {
        Ok((_, hard)) => hard,
        Err(error) => {
            return Line::not_seen(OPEN_FILES, format!("the limit can't be read: {error}"));
        }
    };
    let connections = Connections::within(wanted(config), limit);
    match too_few(config, connections) {
        None => {
            let found = format!(
                "a process of this user may open {limit} files, which is enough for {} connections of clients",
                connections.in_all
            );
            Line::well(OPEN_FILES, found)
        }
        Some(warning) => {
            let (found, remedy) = super::configuration::apart(&warning);
            Line::not_well(OPEN_FILES, found, remedy)
        }
    }
}

fn port(id: &'static str, variable: &str, addr: SocketAddr, running: &Running) -> Line {
    let Err(error) = listener::try_bind(addr) else {
        return Line::well(id, format!("{addr} is free"));
    };
    match error.kind() {
        io::ErrorKind::AddrInUse if running.is_splitcart() => {
            Line::well(id, format!("{addr} is in use, and a splitcart runs here"))
        }
        io::ErrorKind::AddrInUse => Line::not_well(
            id,
            format!("{addr} is in use by another program"),
            format!("find it (`ss -ltnp`) and stop it, or choose another address with {variable}"),
        ),
        io::ErrorKind::AddrNotAvailable => Line::not_well(
            id,
            format!("{addr} is no address of this machine"),
            format!("choose another address with {variable}"),
        ),
        io::ErrorKind::PermissionDenied => Line::not_well(
            id,
            format!("this user may not listen on {addr}"),
            format!("choose a port above 1023 with {variable}, or grant CAP_NET_BIND_SERVICE"),
        ),
        _ => Line::not_seen(id, format!("{addr}: {error}")),
    }
}

fn service(ops: SocketAddr, running: &Running) -> Line {
    match running {
        Running::Nothing => Line::not_seen(SERVICE, format!("no splitcart listens on {ops}")),
        Running::Other(what) => Line::not_seen(SERVICE, format!("what listens on {ops} {what}")),
        Running::Splitcart(state) if state["status"] == "ready" => {
            Line::well(SERVICE, format!("the splitcart at {ops} is ready"))
        }
        Running::Splitcart(state) => {
            let reasons = state["reasons"].as_array().into_iter().flatten();
            let reasons: Vec<_> = reasons.filter_map(Value::as_str).collect();
            Line::not_well(
                SERVICE,
                format!(
                    "the splitcart at {ops} is not ready: {}",
                    reasons.join("; ")
                ),
                format!("read `problems` of http://{ops}/readyz, which says what to do about each"),
            )
        }
    }
}

fn programs() -> Line {
    match private_servers::find_programs() {
        Ok(()) => Line::well(PROGRAMS, "PostgreSQL and Redis are installed"),
        Err(error) => {
            let (found, remedy) = super::configuration::apart(&error.to_string());
            Line::not_well(PROGRAMS, found, remedy)
        }
    }
}

/// Looks at the disk of the directory, or of the first one above it that exists.
fn disk(data_dir: &Path) -> Line {
    let absolute = std::path::absolute(data_dir).unwrap_or_else(|_| data_dir.to_owned());
    let Some(existing) = absolute.ancestors().find(|path| path.exists()) else {
        return Line::not_seen(DISK, format!("{} is nowhere", data_dir.display()));
    };
    let place = existing.display();
    match statvfs(existing) {
        Err(error) => Line::not_seen(DISK, format!("{place}: {error}")),
        Ok(state) => {
            let free = state
                .blocks_available()
                .saturating_mul(state.fragment_size());
            let found = format!("{} MB are free in {place}", free / (1024 * 1024));
            if free >= FREE_BYTES_MIN {
                Line::well(DISK, found)
            } else {
                Line::not_well(
                    DISK,
                    found,
                    "make room, or choose another directory with --data-dir",
                )
            }
        }
    }
}
