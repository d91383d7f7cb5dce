//! A private Redis on TCP, for tests of what needs it: TLS, Sentinels, clusters. Like the brokers it listens
//! on 127.0.0.1 only.

use std::{fs, net::TcpListener, path::Path, process::Stdio};

use tokio::{
    net::TcpStream,
    process::Child,
    time::{Instant, sleep},
};

use super::{
    Error,
    broker::{POLL, READY_WITHIN, port_in, tied_command},
    programs::Search,
};

/// The file that the program reads, and in part writes itself: a Sentinel remembers in it what it has found.
const SETTINGS: &str = "redis.conf";
const LOG: &str = "redis.log";

/// The part that a server plays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RedisRole {
    Alone,
    Sentinel,
    /// A node of a cluster.
    ClusterNode,
}

/// A server, before it is started.
#[derive(Clone, Debug)]
pub struct RedisOptions<'a> {
    /// `None`: the `redis-server` on `PATH`.
    pub program: Option<&'a Path>,
    pub role: RedisRole,
    /// Certificate, key and authority. `None`: without TLS.
    pub tls: Option<[&'a Path; 3]>,
    /// Further lines of the configuration.
    pub settings: &'a str,
}

/// A running Redis. Dropping it kills it.
#[derive(Debug)]
pub struct RedisNode {
    child: Child,
    port: u16,
}

impl RedisNode {
    /// Starts one in `directory`. Starting again there brings back its port, its settings and its data.
    pub async fn start(options: &RedisOptions<'_>, directory: &Path) -> Result<Self, Error> {
        let program = match options.program {
            Some(program) => program.to_owned(),
            None => Search::from_environment().redis()?,
        };
        let port = port_in(directory).map_err(Error::io("choose a port in", directory))?;
        let file = directory.join(SETTINGS);
        if !file.exists() {
            let settings = settings(options, directory, port)
                .map_err(Error::io("choose a port in", directory))?;
            fs::write(&file, settings).map_err(Error::io("write", &file))?;
        }
        let log = directory.join(LOG);
        let output = fs::File::options().create(true).append(true).open(&log);
        let output = output.map_err(Error::io("open", &log))?;
        let mut command = tied_command(&program);
        command.arg(&file);
        if options.role == RedisRole::Sentinel {
            command.arg("--sentinel");
        }
        let child = command
            .env_clear()
            .env("LC_ALL", "C")
            .current_dir(directory)
            .stdin(Stdio::null())
            .stdout(output)
            .stderr(Stdio::null())
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .map_err(Error::io("start", &program))?;
        let mut node = Self { child, port };
        node.wait_until_it_listens(&log).await?;
        Ok(node)
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// The process, for tests that stop it; none once it has been seen to end.
    pub fn pid(&self) -> Option<u32> {
        self.child.id()
    }

    /// `kill -9`; waits until it is gone.
    pub async fn kill(mut self) {
        drop(self.child.kill().await);
    }

    async fn wait_until_it_listens(&mut self, log: &Path) -> Result<(), Error> {
        let deadline = Instant::now() + READY_WITHIN;
        loop {
            let has_ended = self.child.try_wait().is_ok_and(|status| status.is_some());
            if has_ended || Instant::now() >= deadline {
                return Err(Error::BrokerNotReady {
                    program: "redis-server",
                    log: fs::read_to_string(log).unwrap_or_default(),
                });
            }
            if TcpStream::connect(("127.0.0.1", self.port)).await.is_ok() {
                return Ok(());
            }
            sleep(POLL).await;
        }
    }
}

fn settings(options: &RedisOptions<'_>, directory: &Path, port: u16) -> std::io::Result<String> {
    let mut lines = vec![
        "bind 127.0.0.1".to_owned(),
        format!("dir \"{}\"", directory.display()),
    ];
    match options.tls {
        None => lines.push(format!("port {port}")),
        Some([certificate, key, authority]) => lines.extend([
            "port 0".to_owned(),
            format!("tls-port {port}"),
            format!("tls-cert-file \"{}\"", certificate.display()),
            format!("tls-key-file \"{}\"", key.display()),
            format!("tls-ca-cert-file \"{}\"", authority.display()),
            "tls-replication yes".to_owned(),
        ]),
    }
    if options.role == RedisRole::ClusterNode {
        // By default the port for the other nodes is 10,000 higher, which may be none.
        let bus_port = TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port();
        lines.extend([
            "cluster-enabled yes".to_owned(),
            format!("cluster-port {bus_port}"),
        ]);
    }
    if options.role != RedisRole::Sentinel {
        lines.extend(
            ["appendonly yes", "save \"\"", "maxmemory-policy noeviction"].map(str::to_owned),
        );
    }
    lines.push(options.settings.to_owned());
    Ok(lines.join("\n") + "\n")
}
