//! A Redis on TCP that a test may ill-treat: alone, with TLS, as a Sentinel or as a node of a cluster.

use std::{fs, path::PathBuf};

use private_servers::{RedisNode, RedisOptions, RedisRole};
use redis::{
    Client, ClientTlsConfig, FromRedisValue, RedisResult, TlsCertificates,
    aio::MultiplexedConnection,
};
use tempfile::TempDir;

use super::{authority::Authority, redis::signal, wait};

pub struct RedisServer {
    pub port: u16,
    process: Option<RedisNode>,
    program: Option<PathBuf>,
    role: RedisRole,
    /// Certificate, key and authority.
    tls: Option<[PathBuf; 3]>,
    /// The client certificate of this test's own connections.
    client: Option<[PathBuf; 2]>,
    /// The password of this test's own connections.
    password: String,
    dir: TempDir,
}

impl RedisServer {
    /// One without TLS, with further lines of the configuration.
    pub async fn start(role: RedisRole, settings: &str) -> Self {
        Self::launch(None, role, None, settings).await
    }

    /// One that speaks TLS only, and demands no certificate of clients unless the lines say so.
    pub async fn start_tls(authority: &Authority, settings: &str) -> Self {
        Self::launch(None, RedisRole::Alone, Some(authority), settings).await
    }

    /// Another program, without TLS.
    pub async fn start_program(program: PathBuf) -> Self {
        Self::launch(Some(program), RedisRole::Alone, None, "").await
    }

    async fn launch(
        program: Option<PathBuf>,
        role: RedisRole,
        authority: Option<&Authority>,
        settings: &str,
    ) -> Self {
        let dir = tempfile::Builder::new()
            .prefix("splitcart-redis-")
            .tempdir()
            .unwrap();
        let mut new = Self {
            port: 0,
            process: None,
            program,
            role,
            tls: authority
                .map(|it| ["server.pem", "server.key", "ca.pem"].map(|name| it.file(name))),
            client: authority.map(|it| ["client.pem", "client.key"].map(|name| it.file(name))),
            password: String::new(),
            dir,
        };
        new.run(settings).await;
        new
    }

    async fn run(&mut self, settings: &str) {
        let tls = self.tls.as_ref();
        let options = RedisOptions {
            program: self.program.as_deref(),
            role: self.role,
            tls: tls.map(|files| files.each_ref().map(PathBuf::as_path)),
            settings,
        };
        let process = RedisNode::start(&options, self.dir.path()).await.unwrap();
        self.port = process.port();
        self.process = Some(process);
        // It listens before it answers.
        wait::until("Redis answers", async || {
            let Ok(mut connection) = self.connect().await else {
                return false;
            };
            redis::cmd("PING").exec_async(&mut connection).await.is_ok()
        })
        .await;
    }

    /// `127.0.0.1:6379`.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// `kill -9`; the port stays the same.
    pub async fn kill(&mut self) {
        self.process.take().expect("it runs").kill().await;
    }

    /// Starts it again at the same place.
    pub async fn restart(&mut self) {
        self.run("").await;
    }

    /// Stops the process without closing its connections.
    pub fn freeze(&self) {
        signal(self.pid(), "STOP");
    }

    pub fn thaw(&self) {
        signal(self.pid(), "CONT");
    }

    /// Demands a password from now on.
    pub async fn demand(&mut self, password: &str) {
        let word = format!(">{password}");
        // Sentinels have no CONFIG.
        self.tell(&["ACL", "SETUSER", "default", "resetpass", &word])
            .await;
        password.clone_into(&mut self.password);
    }

    /// Waits until it serves as a node of a cluster.
    pub async fn until_cluster_is_up(&self) {
        wait::until("the cluster is up", async || {
            let info = self.ask::<String>(&["CLUSTER", "INFO"]).await;
            info.is_ok_and(|info| info.contains("cluster_state:ok"))
        })
        .await;
    }

    pub fn pid(&self) -> u32 {
        self.process
            .as_ref()
            .and_then(RedisNode::pid)
            .expect("it runs")
    }

    pub async fn connect(&self) -> RedisResult<MultiplexedConnection> {
        let login = match self.password.as_str() {
            "" => String::new(),
            password => format!(":{password}@"),
        };
        let address = format!("{login}{}", self.address());
        let client = match (&self.tls, &self.client) {
            (Some([.., authority]), Some([certificate, key])) => {
                let certificates = TlsCertificates {
                    client_tls: Some(ClientTlsConfig {
                        client_cert: fs::read(certificate).unwrap(),
                        client_key: fs::read(key).unwrap(),
                    }),
                    root_cert: Some(fs::read(authority).unwrap()),
                };
                Client::build_with_tls(format!("rediss://{address}"), certificates)?
            }
            _ => Client::open(format!("redis://{address}"))?,
        };
        client.get_multiplexed_async_connection().await
    }

    /// The answer to a command.
    pub async fn ask<T: FromRedisValue>(&self, words: &[&str]) -> RedisResult<T> {
        let mut connection = self.connect().await?;
        redis::cmd(words[0])
            .arg(&words[1..])
            .query_async(&mut connection)
            .await
    }

    /// Sends a command that must succeed.
    pub async fn tell(&self, words: &[&str]) {
        let answer = self.ask::<redis::Value>(words).await;
        answer.unwrap_or_else(|error| panic!("{words:?}: {error}"));
    }
}

/// A server over TLS that takes clients without a certificate.
pub const NO_CERTIFICATES: &str = "tls-auth-clients no";
