//! A private broker of events for tests and measurements: NATS with JetStream, or Tansu, which speaks
//! Kafka's protocol. Unlike the other servers it listens on TCP (on 127.0.0.1 only), because neither knows
//! Unix sockets, and nothing but a test or a measurement starts one.

use std::{
    env, fs, io,
    net::TcpListener,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use tokio::{
    io::AsyncReadExt,
    net::TcpStream,
    process::{Child, Command},
    time::{Instant, sleep, timeout},
};

use super::Error;

pub(super) const READY_WITHIN: Duration = Duration::from_secs(30);
pub(super) const POLL: Duration = Duration::from_millis(10);

/// A program and how it is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BrokerKind {
    /// NATS with JetStream, its files in the directory.
    Nats,
    /// Tansu, which keeps everything in memory.
    Kafka,
}

/// A running broker. Dropping it kills it.
#[derive(Debug)]
pub struct PrivateBroker {
    child: Child,
    port: u16,
}

impl BrokerKind {
    /// The name of the program.
    pub const fn program(self) -> &'static str {
        match self {
            Self::Nats => "nats-server",
            Self::Kafka => "tansu",
        }
    }

    fn command(self, program: &Path, directory: &Path, port: u16) -> Command {
        let mut command = tied_command(program);
        match self {
            Self::Nats => {
                command.arg("--config").arg(directory.join("nats.conf"));
            }
            Self::Kafka => {
                let url = format!("tcp://127.0.0.1:{port}");
                command
                    .arg("broker")
                    .args(["--listener-url", &url, "--advertised-listener-url", &url])
                    .args(["--storage-engine", "memory://tansu/"]);
            }
        }
        command
            .env_clear()
            .env("LC_ALL", "C")
            .current_dir(directory);
        command
    }
}

impl PrivateBroker {
    /// Starts one in `directory`. Starting again there brings back its port, and what it has on disk.
    /// `settings` are further lines of the configuration of NATS.
    pub async fn start(kind: BrokerKind, directory: &Path, settings: &str) -> Result<Self, Error> {
        let program = find_broker(kind.program())?;
        let port = port_in(directory).map_err(Error::io("choose a port in", directory))?;
        if kind == BrokerKind::Nats {
            let store = directory.join("jetstream");
            let text = format!(
                "listen: \"127.0.0.1:{port}\"\njetstream {{ store_dir: \"{}\" }}\n{settings}\n",
                store.display()
            );
            fs::write(directory.join("nats.conf"), text)
                .map_err(Error::io("configure NATS in", directory))?;
        }
        let log = directory.join("broker.log");
        let output = fs::File::options()
            .create(true)
            .append(true)
            .open(&log)
            .map_err(Error::io("open", &log))?;
        let errors = output.try_clone().map_err(Error::io("open", &log))?;
        let child = kind
            .command(&program, directory, port)
            .stdin(Stdio::null())
            .stdout(output)
            .stderr(errors)
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .map_err(Error::io("start", &program))?;
        let mut broker = Self { child, port };
        broker.wait_until_ready(kind, &log).await?;
        Ok(broker)
    }

    /// `127.0.0.1:4222`.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// The process, for tests that stop or kill it; none once it has been seen to end.
    pub fn pid(&self) -> Option<u32> {
        self.child.id()
    }

    /// Kills it and waits until it is gone.
    pub async fn kill(mut self) {
        drop(self.child.kill().await);
    }

    async fn wait_until_ready(&mut self, kind: BrokerKind, log: &Path) -> Result<(), Error> {
        let deadline = Instant::now() + READY_WITHIN;
        loop {
            let has_ended = self.child.try_wait().is_ok_and(|status| status.is_some());
            if has_ended || Instant::now() >= deadline {
                return Err(Error::BrokerNotReady {
                    program: kind.program(),
                    log: fs::read_to_string(log).unwrap_or_default(),
                });
            }
            if answers(kind, self.port).await {
                return Ok(());
            }
            sleep(POLL).await;
        }
    }
}

/// A command whose process ends with its owner, however that ends.
pub(super) fn tied_command(program: &Path) -> Command {
    match find_on_path("setpriv") {
        Some(setpriv) => {
            let mut command = Command::new(setpriv);
            command.args(["--pdeathsig", "KILL", "--"]).arg(program);
            command
        }
        None => Command::new(program),
    }
}

/// NATS greets who connects; Kafka's protocol waits to be spoken to.
async fn answers(kind: BrokerKind, port: u16) -> bool {
    let Ok(mut stream) = TcpStream::connect(("127.0.0.1", port)).await else {
        return false;
    };
    if kind == BrokerKind::Kafka {
        return true;
    }
    let mut greeting = [0; 4];
    let greeted = timeout(Duration::from_secs(1), stream.read_exact(&mut greeting)).await;
    matches!(greeted, Ok(Ok(_))) && &greeting == b"INFO"
}

/// The port of this directory: the one of the start before, or a free one.
pub(super) fn port_in(directory: &Path) -> io::Result<u16> {
    let file = directory.join("port");
    if let Ok(text) = fs::read_to_string(&file)
        && let Ok(port) = text.parse()
    {
        return Ok(port);
    }
    let port = TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port();
    fs::write(&file, port.to_string())?;
    Ok(port)
}

/// Finds a broker's program: where `scripts/install-brokers` installs it beside what cargo builds, or on
/// `PATH`.
pub fn find_broker(program: &'static str) -> Result<PathBuf, Error> {
    let this = env::current_exe().unwrap_or_default();
    this.ancestors()
        .map(|directory| directory.join("brokers/bin").join(program))
        .find(|program| program.is_file())
        .or_else(|| find_on_path(program))
        .ok_or(Error::MissingBroker { program })
}

fn find_on_path(program: &str) -> Option<PathBuf> {
    env::split_paths(&env::var_os("PATH")?)
        .map(|directory| directory.join(program))
        .find(|program| program.is_file())
}
