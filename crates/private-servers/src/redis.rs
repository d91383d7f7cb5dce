//! A private `redis-server` on a Unix socket. Usable alone: tests start one each.

use std::{path::Path, sync::Arc, time::Duration};

use nix::sys::signal::Signal;

use super::{
    Error,
    account::Account,
    child,
    data_dir::DataDir,
    directory::Directory,
    programs::Search,
    server::{self, Kind, Server},
    url,
};

pub(super) const SOCKET: &str = "redis.sock";

pub(super) const REDIS: Kind = Kind {
    name: "Redis",
    program: "redis-server",
    data: "redis",
    log: "redis.log",
    // Loading a large append-only file takes a while.
    ready_within: Duration::from_mins(1),
    poll: Duration::from_millis(2),
    // Asked by SIGTERM, Redis writes and syncs its file before it ends.
    stop: &[
        (Signal::SIGTERM, Duration::from_secs(10)),
        (Signal::SIGKILL, Duration::from_secs(10)),
    ],
    last_word: Signal::SIGKILL,
};

/// A running private Redis. Dropping it kills it; `stop` asks it to end and waits.
#[derive(Debug)]
pub struct PrivateRedis {
    server: Server,
    url: String,
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

    /// Starts another program that speaks the same protocol and takes the same settings, such as Valkey.
    pub async fn start_program_at(program: &Path, directory: &Path) -> Result<Self, Error> {
        let data_dir = DataDir::Explicit(directory.to_owned());
        Self::start_program_in(program, &data_dir).await
    }

    async fn start_in(data_dir: &DataDir) -> Result<Self, Error> {
        let program = Search::from_environment().redis()?;
        Self::start_program_in(&program, data_dir).await
    }

    async fn start_program_in(program: &Path, data_dir: &DataDir) -> Result<Self, Error> {
        let directory = Directory::open(data_dir, Account::for_services()?)?;
        Self::launch(program, Arc::new(directory)).await
    }

    pub(super) async fn launch(program: &Path, directory: Arc<Directory>) -> Result<Self, Error> {
        let data = directory.subdirectory(REDIS.data)?;
        server::stop_leftovers(&REDIS, &directory).await?;
        let socket_directory = directory.socket_directory(SOCKET)?;
        let socket = socket_directory.path().join(SOCKET);
        let url = url_in(socket_directory.path())?;

        let mut command = child::command(program);
        command
            .current_dir(&data)
            .arg("--dir")
            .arg(&data)
            .arg("--unixsocket")
            .arg(&socket);
        command.args(SETTINGS);
        let answers = async || answers(&url).await;
        let server = Server::start(&REDIS, command, socket_directory, directory, answers).await?;
        Ok(Self { server, url })
    }

    /// The URL, for the `redis` crate.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The directory that `start_at` takes.
    pub fn data_dir(&self) -> &Path {
        self.server.data_dir()
    }

    /// The process, for tests that stop or kill it; none once it has been seen to end.
    pub fn pid(&self) -> Option<u32> {
        self.server.pid()
    }

    /// Resolves when Redis ends without being asked to.
    pub async fn wait_for_failure(&mut self) -> Error {
        self.server.wait_for_failure().await
    }

    /// Ends Redis; what it holds is on disk.
    pub async fn stop(self) -> Result<(), Error> {
        self.server.stop().await
    }

    /// Leaves the process running, as a killed owner does.
    #[cfg(test)]
    pub(super) fn abandon(self) {
        self.server.abandon();
    }
}

/// The URL, where the socket is in this directory.
pub(super) fn url_in(sockets: &Path) -> Result<String, Error> {
    Ok(format!(
        "redis+unix://{}",
        url::encode(&sockets.join(SOCKET))?
    ))
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
    // A full Redis must refuse writes rather than forget what is in it.
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
    use crate::leftover;

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
