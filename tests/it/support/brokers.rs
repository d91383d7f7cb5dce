//! A broker of its own for every test beside Redis, which the test may empty, freeze or kill.

use async_nats::{
    ConnectOptions,
    jetstream::{self, Context, message::StreamMessage},
};
use private_servers::{BrokerKind, PrivateBroker};
use tempfile::TempDir;

use super::{redis::signal, wait};

/// A broker that may be ill-treated.
pub struct Broker {
    kind: BrokerKind,
    settings: String,
    process: Option<PrivateBroker>,
    dir: TempDir,
    pub address: String,
}

impl Broker {
    pub async fn start(kind: BrokerKind) -> Self {
        Self::with_settings(kind, "").await
    }

    /// With further lines of the configuration of NATS.
    pub async fn with_settings(kind: BrokerKind, settings: &str) -> Self {
        let dir = tempfile::Builder::new()
            .prefix("splitcart-broker-")
            .tempdir()
            .unwrap();
        let process = PrivateBroker::start(kind, dir.path(), settings)
            .await
            .unwrap();
        Self {
            kind,
            settings: settings.to_owned(),
            address: process.address(),
            process: Some(process),
            dir,
        }
    }

    /// Kills the process; its port stays the same.
    pub async fn kill(&mut self) {
        self.process.take().expect("it runs").kill().await;
    }

    /// Starts it again at the same place.
    pub async fn restart(&mut self) {
        let started = PrivateBroker::start(self.kind, self.dir.path(), &self.settings);
        self.process = Some(started.await.unwrap());
    }

    /// Kills the process, removes all that it has on disk, and starts it again.
    pub async fn wipe(&mut self) {
        self.kill().await;
        let store = self.dir.path().join("jetstream");
        if store.exists() {
            std::fs::remove_dir_all(store).unwrap();
        }
        self.restart().await;
    }

    /// Stops the process without closing its connections, so that the broker hangs.
    pub fn freeze(&self) {
        signal(self.pid(), "STOP");
    }

    pub fn thaw(&self) {
        signal(self.pid(), "CONT");
    }

    fn pid(&self) -> u32 {
        let process = self.process.as_ref().expect("it runs");
        process.pid().unwrap()
    }
}

/// NATS, with what tests look at.
pub struct Nats {
    pub broker: Broker,
    /// The user and the password that the test connects with.
    login: Option<(&'static str, &'static str)>,
}

impl Nats {
    pub async fn start() -> Self {
        Self::with_settings("", None).await
    }

    /// With further lines of the configuration, and the user and the password that the test connects with.
    pub async fn with_settings(
        settings: &str,
        login: Option<(&'static str, &'static str)>,
    ) -> Self {
        Self {
            broker: Broker::with_settings(BrokerKind::Nats, settings).await,
            login,
        }
    }

    pub fn url(&self) -> String {
        format!("nats://{}", self.broker.address)
    }

    pub async fn jetstream(&self) -> Context {
        let mut options = ConnectOptions::new();
        if let Some((user, password)) = self.login {
            options = options.user_and_password(user.to_owned(), password.to_owned());
        }
        jetstream::new(options.connect(self.url()).await.unwrap())
    }

    /// The messages on the stream `splitcart`, oldest first; none if there is no such stream.
    pub async fn messages(&self) -> Vec<StreamMessage> {
        let jetstream = self.jetstream().await;
        let Ok(mut stream) = jetstream.get_stream("splitcart").await else {
            return Vec::new();
        };
        let state = stream.info().await.unwrap().state.clone();
        let mut messages = Vec::new();
        for sequence in state.first_sequence..=state.last_sequence {
            messages.extend(stream.get_raw_message(sequence).await);
        }
        messages
    }

    /// The envelopes on the stream, oldest first.
    pub async fn events(&self) -> Vec<serde_json::Value> {
        let messages = self.messages().await;
        let payloads = messages.iter().map(|message| &message.payload);
        payloads
            .map(|payload| serde_json::from_slice(payload).unwrap())
            .collect()
    }

    pub async fn until_there_are(&self, count: usize) {
        wait::until(&format!("there are {count} events in NATS"), async || {
            self.messages().await.len() >= count
        })
        .await;
    }
}
