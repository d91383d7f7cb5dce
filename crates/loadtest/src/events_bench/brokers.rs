//! The brokers behind the sinks, and what is done to them.

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use anyhow::Context;
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use private_servers::{BrokerKind, PrivateBroker, PrivateRedis};
use tempfile::TempDir;

use super::options::{Fault, SinkName};

/// The stream in Redis, and the topic in Kafka.
pub const STREAM: &str = "splitcart.events";

/// A broker in a directory of its own.
pub struct Broker {
    pub name: SinkName,
    process: Option<Process>,
    directory: TempDir,
    /// Its URL or address.
    pub url: String,
    /// The number of times that it has lost everything: consumers begin anew then.
    pub losses: Arc<AtomicU64>,
}

enum Process {
    Redis(PrivateRedis),
    Other(PrivateBroker),
}

impl Broker {
    pub async fn start(name: SinkName) -> anyhow::Result<Self> {
        let directory = tempfile::Builder::new()
            .prefix("splitcart-events-")
            .tempdir()?;
        let process = launch(name, directory.path()).await?;
        let url = match &process {
            Process::Redis(redis) => redis.url().to_owned(),
            Process::Other(broker) if name == SinkName::Nats => {
                format!("nats://{}", broker.address())
            }
            Process::Other(broker) => broker.address(),
        };
        Ok(Self {
            name,
            process: Some(process),
            directory,
            url,
            losses: Arc::default(),
        })
    }

    /// The sink's table in the configuration.
    pub fn table(&self) -> String {
        let (name, url) = (self.name.name(), &self.url);
        let settings = match self.name {
            SinkName::Redis => format!(
                "kind = \"redis_stream\"\nurl = \"{url}\"\nstream = \"{STREAM}\"\nstream_len_max = 0"
            ),
            SinkName::Nats => format!("kind = \"nats_jetstream\"\nurl = \"{url}\""),
            #[cfg(feature = "kafka")]
            SinkName::Kafka => format!(
                "kind = \"kafka\"\nbrokers = [\"{url}\"]\ntopic = \"{STREAM}\"\npartitions = 6\n\
                 replication_factor = 1"
            ),
        };
        format!("[[outbox.sinks]]\nname = \"{name}\"\n{settings}\n")
    }

    pub async fn suffer(&mut self, fault: Fault, lasting: Duration) -> anyhow::Result<()> {
        match fault {
            Fault::None => {}
            Fault::Pause => {
                self.signal(Signal::SIGSTOP)?;
                tokio::time::sleep(lasting).await;
                self.signal(Signal::SIGCONT)?;
            }
            Fault::Kill => {
                self.kill().await?;
                tokio::time::sleep(lasting).await;
                self.process = Some(launch(self.name, self.directory.path()).await?);
                if self.forgets() {
                    self.losses.fetch_add(1, Ordering::Relaxed);
                }
            }
            Fault::Empty => {
                self.kill().await?;
                let store = self.store();
                if store.exists() {
                    std::fs::remove_dir_all(&store)
                        .with_context(|| format!("can't empty {}", store.display()))?;
                }
                self.losses.fetch_add(1, Ordering::Relaxed);
                tokio::time::sleep(lasting).await;
                self.process = Some(launch(self.name, self.directory.path()).await?);
            }
        }
        Ok(())
    }

    /// Runs again, whatever a fault that was cut short has left.
    pub async fn heal(&mut self) -> anyhow::Result<()> {
        if self.process.is_some() {
            return self.signal(Signal::SIGCONT);
        }
        self.process = Some(launch(self.name, self.directory.path()).await?);
        if self.forgets() {
            self.losses.fetch_add(1, Ordering::Relaxed);
        }
        Ok(())
    }

    pub fn was_emptied(&self) -> bool {
        self.losses.load(Ordering::Relaxed) > 0
    }

    /// True if it keeps everything in memory.
    fn forgets(&self) -> bool {
        !matches!(self.name, SinkName::Redis | SinkName::Nats)
    }

    fn store(&self) -> PathBuf {
        let store = match self.name {
            SinkName::Redis => "redis",
            _ => "jetstream",
        };
        self.directory.path().join(store)
    }

    fn signal(&self, signal: Signal) -> anyhow::Result<()> {
        let pid = match &self.process {
            Some(Process::Redis(redis)) => redis.pid(),
            Some(Process::Other(broker)) => broker.pid(),
            None => None,
        };
        let pid = pid.with_context(|| format!("{} does not run", self.name.name()))?;
        kill(Pid::from_raw(i32::try_from(pid)?), signal)?;
        Ok(())
    }

    async fn kill(&mut self) -> anyhow::Result<()> {
        self.signal(Signal::SIGKILL)?;
        match self.process.take() {
            Some(Process::Redis(mut redis)) => {
                redis.wait_for_failure().await;
            }
            Some(Process::Other(broker)) => broker.kill().await,
            None => {}
        }
        Ok(())
    }
}

async fn launch(name: SinkName, directory: &Path) -> anyhow::Result<Process> {
    let kind = match name {
        SinkName::Redis => return Ok(Process::Redis(PrivateRedis::start_at(directory).await?)),
        SinkName::Nats => BrokerKind::Nats,
        #[cfg(feature = "kafka")]
        SinkName::Kafka => BrokerKind::Kafka,
    };
    let broker = PrivateBroker::start(kind, directory, "").await?;
    Ok(Process::Other(broker))
}
