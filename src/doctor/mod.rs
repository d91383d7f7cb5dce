//! Looks at everything that the service depends on, without changing any of it: `splitcart doctor`.
//!
//! | what | file |
//! |---|---|
//! | a line of the report, and the whole report | [`report`] |
//! | settings that are likely to be a mistake | [`configuration`] |
//! | open files, ports, disk, and the service that may be running here | [`machine`] |
//! | keys of tokens, and the certificate | [`files`] |
//! | PostgreSQL | [`postgresql`] |
//! | the Redis of keys and first answers | [`redis`] |
//! | the sinks of events | [`sinks`] |
//!
//! The looks run beside each other and each has a time limit, so that a server that hangs is named and not
//! waited for. The rules are those of the start: they are where the start has them.

pub mod configuration;
mod files;
mod machine;
mod postgresql;
mod redis;
pub mod report;
mod running;
mod sinks;

use std::{path::PathBuf, time::Duration};

use futures_util::FutureExt;
use secrecy::SecretString;

use crate::config::Config;

use self::report::Line;

/// The subject of all looks.
#[derive(Clone, Debug)]
pub struct Subject {
    pub config: Config,
    /// `None` if there are no servers to look at, because private ones are not running.
    pub servers: Option<Servers>,
    /// The directory of private servers; `None` if others are configured.
    pub data_dir: Option<PathBuf>,
    /// The time limit of one look.
    pub limit: Duration,
}

/// The URLs of the servers.
#[derive(Clone, Debug)]
pub struct Servers {
    pub database: SecretString,
    pub redis: SecretString,
}

/// Looks at everything.
pub async fn examine(subject: &Subject) -> Vec<Line> {
    let running = running::find(subject.config.ops.addr, subject.limit).shared();
    let (configuration, machine, files, postgresql, redis, sinks) = tokio::join!(
        async { configuration::look(&subject.config, subject.data_dir.is_some()) },
        machine::look(subject, running.clone()),
        files::look(subject),
        postgresql::look(subject, running.clone()),
        redis::look(subject),
        sinks::look(subject),
    );
    [configuration, machine, files, postgresql, redis, sinks].concat()
}

/// The text about servers that are not looked at because they are private and not running.
const NOT_RUNNING: &str = "the private servers are not running; `splitcart serve` starts them";
