//! `HAProxy` in front of two instances: it asks each whether it is ready, and never tries a request twice.

use std::{
    env,
    fmt::Write,
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::UnixStream,
};

use super::{Server, wait};

/// The names of the two instances.
pub const NAMES: [&str; 2] = ["a", "b"];

/// A running `HAProxy`. Clients reach it by a Unix socket, so that it needs no port.
pub struct HaProxy {
    process: Child,
    dir: TempDir,
}

impl HaProxy {
    /// Starts it, and returns once it has found both instances ready.
    pub async fn before(servers: &[Server; 2]) -> Self {
        let dir = TempDir::new().unwrap();
        let file = dir.path().join("haproxy.cfg");
        fs::write(&file, configuration(dir.path(), servers)).unwrap();
        // It ends with its owner, however that ends.
        let process = Command::new("setpriv")
            .args(["--pdeathsig", "KILL", "--"])
            .arg(find_program())
            .args(["-db", "-f"])
            .arg(&file)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            // Its warnings about instances that are down are what the test wants.
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let proxy = Self { process, dir };
        for name in NAMES {
            proxy.until(name, "UP").await;
        }
        proxy
    }

    /// The socket of its clients.
    pub fn socket(&self) -> PathBuf {
        self.dir.path().join("front.sock")
    }

    /// Sends what is meant for the instance with this name to another server.
    pub async fn replace(&self, name: &str, server: &Server) {
        let (http, ops) = (port_of(&server.http), port_of(&server.ops));
        self.command(&format!(
            "set server instances/{name} addr 127.0.0.1 port {http}"
        ))
        .await;
        self.command(&format!("set server instances/{name} check-port {ops}"))
            .await;
        self.until(name, "UP").await;
    }

    /// Waits until an instance is taken to be `UP` or `DOWN`.
    pub async fn until(&self, name: &str, state: &str) {
        wait::until(&format!("{name} is {state}"), async || {
            let states = self.command("show stat").await;
            states.lines().any(|line| {
                let fields: Vec<_> = line.split(',').collect();
                // The first field is the backend, the second the server, the 18th its state.
                fields.len() > 17 && fields[1] == name && fields[17].starts_with(state)
            })
        })
        .await;
    }

    /// Its answer to a command of an operator; empty while it is starting.
    async fn command(&self, command: &str) -> String {
        let mut answer = String::new();
        if let Ok(mut socket) = UnixStream::connect(self.dir.path().join("admin.sock")).await {
            socket
                .write_all(format!("{command}\n").as_bytes())
                .await
                .unwrap();
            socket.read_to_string(&mut answer).await.unwrap();
        }
        answer
    }
}

impl Drop for HaProxy {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

fn configuration(dir: &Path, servers: &[Server; 2]) -> String {
    let mut text = format!(
        "global
    stats socket {dir}/admin.sock mode 600 level admin
defaults
    mode http
    timeout connect 2s
    timeout client 60s
    timeout server 60s
    timeout check 5s
    # A request that meets a closed port is lost: nothing hides it.
    retries 0
frontend clients
    bind unix@{dir}/front.sock
    default_backend instances
backend instances
    option httpchk GET /readyz
    http-check expect status 200
    default-server check inter 500ms fall 2 rise 1
",
        dir = dir.display()
    );
    for (name, server) in NAMES.iter().zip(servers) {
        let (http, ops) = (port_of(&server.http), port_of(&server.ops));
        writeln!(text, "    server {name} 127.0.0.1:{http} port {ops}").unwrap();
    }
    text
}

fn port_of(url: &str) -> &str {
    url.rsplit(':').next().unwrap()
}

/// Debian's package installs it outside of the search path of ordinary users.
fn find_program() -> PathBuf {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path)
        .chain(["/usr/sbin".into()])
        .map(|directory| directory.join("haproxy"))
        .find(|program| program.is_file())
        .expect("haproxy is installed by scripts/install-missing")
}
