//! A private `redis-server` on a Unix socket. Usable alone: tests start one each.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use nix::sys::signal::Signal;

use super::account::Account;
use super::child::{self, Service};
use super::directory::{DataDir, Directory, SocketDirectory};
use super::programs::Search;
use super::{Error, leftover, url};

const PROGRAM: &str = "redis-server";
const DATA: &str = "redis";
const SOCKET: &str = "redis.sock";
/// Loading a large append-only file takes a while.
const READY_WITHIN: Duration = Duration::from_mins(1);
const POLL: Duration = Duration::from_millis(2);
/// Asked by SIGTERM, Redis writes and syncs its file before it ends.
const STOP: &[(Signal, Duration)] = &[
    (Signal::SIGTERM, Duration::from_secs(10)),
    (Signal::SIGKILL, Duration::from_secs(10)),
];

/// A running private Redis. Dropping it kills it; `stop` asks it to end and waits.
#[derive(Debug)]
pub struct PrivateRedis {
    // In this order: the process ends before its directories go.
    service: Service,
    url: String,
    _socket_directory: SocketDirectory,
    directory: Arc<Directory>,
}

impl PrivateRedis {
    /// Starts one in a temporary directory.
    pub async fn start() -> Result<Self, Error> {
        Self::start_in(&DataDir::Temporary).await
    }

    /// Starts one in `directory`. Starting again there, after the value before was stopped or
    /// dropped, brings the data and the URL back.
    pub async fn start_at(directory: &Path) -> Result<Self, Error> {
        Self::start_in(&DataDir::Explicit(directory.to_owned())).await
    }

    async fn start_in(data_dir: &DataDir) -> Result<Self, Error> {
        let program = Search::from_environment().redis()?;
        let directory = Directory::open(data_dir, Account::for_services()?)?;
        Self::launch(&program, Arc::new(directory)).await
    }

    pub(super) async fn launch(program: &Path, directory: Arc<Directory>) -> Result<Self, Error> {
        let data = directory.subdirectory(DATA)?;
        stop_leftovers(&directory).await?;
        let socket_directory = directory.socket_directory(SOCKET)?;
        let socket = socket_directory.path().join(SOCKET);
        let url = format!("redis+unix://{}", url::encode(&socket)?);

        let mut command = child::command(program);
        command
            .current_dir(&data)
            .arg("--dir")
            .arg(&data)
            .arg("--unixsocket")
            .arg(&socket);
        command.args(SETTINGS);
        let log = directory.new_log("redis.log")?;
        let service = Service::start("Redis", command, directory.account(), log, Signal::SIGKILL)?;
        let mut redis = Self {
            service,
            url,
            _socket_directory: socket_directory,
            directory,
        };
        let url = redis.url.as_str();
        redis
            .service
            .wait_until_ready(READY_WITHIN, POLL, async || answers(url).await)
            .await?;
        Ok(redis)
    }

    /// The URL, for the `redis` crate.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The directory that `start_at` takes.
    pub fn data_dir(&self) -> &Path {
        self.directory.path()
    }

    /// The process, for tests that stop or kill it; none once it has been seen to end.
    pub fn pid(&self) -> Option<u32> {
        self.service.pid()
    }

    /// Resolves when Redis ends without being asked to.
    pub async fn wait_for_failure(&mut self) -> Error {
        self.service.wait_for_failure().await
    }

    /// Ends Redis; what it holds is on disk.
    pub async fn stop(self) -> Result<(), Error> {
        self.service.stop(STOP).await
    }

    /// Leaves the process running, as a killed owner does.
    #[cfg(test)]
    pub(super) fn abandon(self) {
        std::mem::forget(self.service);
    }
}

/// Stops a server that a killed owner of the directory left running.
pub(super) async fn stop_leftovers(directory: &Directory) -> Result<(), Error> {
    leftover::stop_all(PROGRAM, &directory.path().join(DATA), STOP).await
}

const SETTINGS: &[&str] = &[
    // Nothing listens on TCP, and only we may open the socket.
    "--port",
    "0",
    "--unixsocketperm",
    "700",
    "--daemonize",
    "no",
    "--logfile",
    "",
    // Every write goes to the append-only file; snapshots on top of it would only cost time.
    "--appendonly",
    "yes",
    "--appendfsync",
    "everysec",
    "--save",
    "",
    // A full Redis must say so rather than forget what it was told.
    "--maxmemory-policy",
    "noeviction",
];

async fn answers(url: &str) -> bool {
    let ping = async {
        let client = redis::Client::open(url)?;
        let mut connection = client.get_multiplexed_async_connection().await?;
        redis::cmd("PING")
            .query_async::<String>(&mut connection)
            .await
    };
    ping.await.is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn connect(redis: &PrivateRedis) -> redis::aio::MultiplexedConnection {
        let client = redis::Client::open(redis.url()).unwrap();
        client.get_multiplexed_async_connection().await.unwrap()
    }

    fn kill(redis: &PrivateRedis) {
        let pid = i32::try_from(redis.pid().unwrap()).unwrap();
        leftover::send(nix::unistd::Pid::from_raw(pid), Signal::SIGKILL);
    }

    #[tokio::test]
    async fn data_and_url_survive_a_restart_in_the_same_directory() {
        let root = tempfile::Builder::new().tempdir_in("/tmp").unwrap();
        let first = PrivateRedis::start_at(root.path()).await.unwrap();
        let url = first.url().to_owned();
        let set = redis::cmd("SET").arg("colour").arg("green").to_owned();
        set.query_async::<()>(&mut connect(&first).await)
            .await
            .unwrap();
        first.stop().await.unwrap();

        let second = PrivateRedis::start_at(root.path()).await.unwrap();
        assert_eq!(second.url(), url);
        let get = redis::cmd("GET").arg("colour").to_owned();
        let colour: String = get.query_async(&mut connect(&second).await).await.unwrap();
        assert_eq!(colour, "green");
    }

    #[tokio::test]
    async fn a_kill_is_reported_as_a_failure() {
        let mut redis = PrivateRedis::start().await.unwrap();
        kill(&redis);
        let message = redis.wait_for_failure().await.to_string();
        assert!(
            message.starts_with("Redis ended by itself (signal: 9"),
            "{message}"
        );
    }

    #[tokio::test]
    async fn a_stopped_process_can_still_be_dropped_and_its_directory_is_removed() {
        let redis = PrivateRedis::start().await.unwrap();
        let directory = redis.data_dir().to_owned();
        let pid = i32::try_from(redis.pid().unwrap()).unwrap();
        nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), Signal::SIGSTOP).unwrap();
        drop(redis);
        assert!(!directory.exists());
    }
}
