//! A Redis of its own for every test, which the test may empty, freeze or kill.

use std::path::Path;

use private_servers::{PrivateRedis, RedisRole};
use redis::aio::MultiplexedConnection;
use tempfile::TempDir;

use super::{
    authority::Authority,
    contract::check_event,
    redis_server::{NO_CERTIFICATES, RedisServer},
};

/// The kind of Redis of all tests, for a run that tests everything with another one
/// (`scripts/test-estate`): `tls`, `sentinel` or `cluster`.
pub const KIND: &str = "SPLITCART_TEST_REDIS";

/// The Redis of one test.
pub struct Redis {
    pub url: String,
    servers: Servers,
}

enum Servers {
    Private {
        process: Option<Box<PrivateRedis>>,
        dir: TempDir,
    },
    /// On TCP, with a Sentinel if the run is about them.
    OnTcp {
        server: Box<RedisServer>,
        _sentinel: Option<Box<RedisServer>>,
    },
}

fn directory() -> TempDir {
    tempfile::Builder::new()
        .prefix("splitcart-redis-")
        .tempdir()
        .unwrap()
}

impl Redis {
    pub async fn start() -> Self {
        if let Ok(kind) = std::env::var(KIND) {
            return Self::of_kind(&kind).await;
        }
        let dir = directory();
        let process = PrivateRedis::start_at(dir.path()).await.unwrap();
        Self::of(process, dir)
    }

    /// Starts another program that speaks the same protocol.
    pub async fn start_program(program: &Path) -> Self {
        let dir = directory();
        let started = PrivateRedis::start_program_at(program, dir.path());
        Self::of(started.await.unwrap(), dir)
    }

    fn of(process: PrivateRedis, dir: TempDir) -> Self {
        Self {
            url: process.url().to_owned(),
            servers: Servers::Private {
                process: Some(Box::new(process)),
                dir,
            },
        }
    }

    async fn of_kind(kind: &str) -> Self {
        let mut sentinel = None;
        let (server, url) = match kind {
            "tls" => {
                let server = RedisServer::start_tls(Authority::of_run(), NO_CERTIFICATES).await;
                let url = format!("rediss://{}", server.address());
                (server, url)
            }
            "sentinel" => {
                let server = RedisServer::start(RedisRole::Alone, "").await;
                let watched = format!("sentinel monitor shop 127.0.0.1 {} 1", server.port);
                let watching = RedisServer::start(RedisRole::Sentinel, &watched).await;
                let url = format!("redis+sentinel://{}/shop", watching.address());
                sentinel = Some(watching);
                (server, url)
            }
            "cluster" => {
                let server = RedisServer::start(RedisRole::ClusterNode, "").await;
                server
                    .tell(&["CLUSTER", "ADDSLOTSRANGE", "0", "16383"])
                    .await;
                server.until_cluster_is_up().await;
                let url = format!("redis+cluster://{}", server.address());
                (server, url)
            }
            other => panic!("{KIND} is {other:?}"),
        };
        let servers = Servers::OnTcp {
            server: Box::new(server),
            _sentinel: sentinel.map(Box::new),
        };
        Self { url, servers }
    }

    /// Kills the process; its socket stays where it was.
    pub async fn kill(&mut self) {
        match &mut self.servers {
            Servers::Private { process, .. } => {
                let process = process.take().expect("Redis runs");
                signal(process.pid().unwrap(), "KILL");
            }
            Servers::OnTcp { server, .. } => server.kill().await,
        }
        super::wait::until("redis is dead", async || self.connect().await.is_err()).await;
    }

    /// Starts Redis again at the same place.
    pub async fn restart(&mut self) {
        match &mut self.servers {
            Servers::Private { process, dir } => {
                let again = PrivateRedis::start_at(dir.path()).await.unwrap();
                *process = Some(Box::new(again));
            }
            Servers::OnTcp { server, .. } => server.restart().await,
        }
    }

    /// Stops the process without closing its connections, so that Redis hangs.
    pub fn freeze(&self) {
        signal(self.pid(), "STOP");
    }

    pub fn thaw(&self) {
        signal(self.pid(), "CONT");
    }

    fn pid(&self) -> u32 {
        match &self.servers {
            Servers::Private { process, .. } => process
                .as_ref()
                .and_then(|it| it.pid())
                .expect("Redis runs"),
            Servers::OnTcp { server, .. } => server.pid(),
        }
    }

    pub async fn connect(&self) -> redis::RedisResult<MultiplexedConnection> {
        match &self.servers {
            Servers::Private { .. } => {
                redis::Client::open(self.url.as_str())?
                    .get_multiplexed_async_connection()
                    .await
            }
            Servers::OnTcp { server, .. } => server.connect().await,
        }
    }

    /// Changes a setting of Redis.
    pub async fn set(&self, setting: &str, value: &str) {
        let mut connection = self.connect().await.unwrap();
        redis::cmd("CONFIG")
            .arg(&["SET", setting, value])
            .query_async::<()>(&mut connection)
            .await
            .unwrap();
    }

    /// Removes all data.
    pub async fn empty(&self) {
        let mut connection = self.connect().await.unwrap();
        redis::cmd("FLUSHALL")
            .query_async::<()>(&mut connection)
            .await
            .unwrap();
    }

    /// The envelopes on the stream, oldest first. Each must be as documented.
    pub async fn events(&self) -> Vec<serde_json::Value> {
        let events = self.any_events().await;
        events.iter().for_each(check_event);
        events
    }

    /// The same for tests that write rows by hand, which are no real events. Read page by page: a test may
    /// have written many.
    pub async fn any_events(&self) -> Vec<serde_json::Value> {
        const PAGE: usize = 1000;
        let mut connection = self.connect().await.unwrap();
        let (mut events, mut start) = (Vec::new(), "-".to_owned());
        loop {
            let entries: redis::streams::StreamRangeReply = redis::cmd("XRANGE")
                .arg("splitcart.events")
                .arg(&start)
                .arg("+")
                .arg("COUNT")
                .arg(PAGE)
                .query_async(&mut connection)
                .await
                .unwrap();
            for entry in &entries.ids {
                let event = entry.get::<String>("event").unwrap();
                events.push(serde_json::from_str(&event).unwrap());
            }
            match entries.ids.last() {
                Some(last) if entries.ids.len() == PAGE => start = format!("({}", last.id),
                _ => return events,
            }
        }
    }

    /// The number of entries on the stream.
    pub async fn events_count(&self) -> usize {
        let mut connection = self.connect().await.unwrap();
        redis::cmd("XLEN")
            .arg("splitcart.events")
            .query_async(&mut connection)
            .await
            .unwrap()
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        if let Servers::Private {
            process: Some(process),
            ..
        } = &self.servers
            && let Some(pid) = process.pid()
        {
            signal(pid, "KILL");
        }
    }
}

/// Sends a signal by name.
pub fn signal(pid: u32, name: &str) {
    use nix::{
        sys::signal::{Signal, kill},
        unistd::Pid,
    };
    let signal: Signal = format!("SIG{name}").parse().unwrap();
    kill(Pid::from_raw(i32::try_from(pid).unwrap()), signal).unwrap();
}
