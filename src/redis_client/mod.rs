//! Connections to Redis, for idempotency and for events alike.
//!
//! A [`Connection`] bounds every command by a time limit of this process. A connection that did not answer
//! in time, or whose server serves nothing at present, is dropped, and the next command makes a new one.
//! (`redis::aio::ConnectionManager` keeps a connection that timed out, and one whose server became
//! a replica, forever.)
//!
//! | rule | file |
//! |---|---|
//! | which errors mean that another server is wanted | `server_errors` |
//! | how a dead peer is detected | `tcp` |
//! | reading the answer to INFO | `info` |
//!
//! The pause that spares requests a slow Redis is in `idempotency/redis_pause.rs`.

mod info;
mod server_errors;
mod tcp;

use std::{
    fmt, io,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures_util::{
    FutureExt,
    future::{BoxFuture, Shared},
};
use redis::{
    AsyncConnectionConfig, Client, Cmd, IntoConnectionInfo, Pipeline, RedisFuture, RedisResult,
    Value,
    aio::{ConnectionLike, MultiplexedConnection},
};
use secrecy::{ExposeSecret, SecretString};

use self::server_errors::{error_makes_useless, value_makes_useless};

pub use self::{info::info_field, server_errors::serves_nothing};

/// The time limit of connecting. Longer than that of most commands: no command waits for all of it, and
/// a connection that is too late for one command serves the next.
const CONNECT_MAX: Duration = Duration::from_secs(2);

/// A connection that is replaced when it is of no more use. Clones share it.
#[derive(Clone)]
pub struct Connection(Arc<Inner>);

struct Inner {
    client: Client,
    command_max: Duration,
    current: Mutex<Attempt>,
}

/// A connection that is being made, or has been made.
#[derive(Clone)]
struct Attempt {
    /// Counts the attempts, so that only the current one can be dropped.
    nr: u64,
    /// `None` until the connection is first needed, and after it was dropped.
    connecting: Option<Connecting>,
}

type Connecting = Shared<BoxFuture<'static, RedisResult<MultiplexedConnection>>>;

impl Connection {
    /// Makes the connection when it is first used. Must be used on one runtime only.
    ///
    /// `command_max` bounds every command and every pipeline, including the wait for a connection. A caller
    /// must not drop a command any earlier because Redis is slow: whether a connection is of use is known
    /// from the outcome of its commands.
    ///
    /// # Errors
    /// The URL is malformed.
    pub fn lazy(url: &SecretString, command_max: Duration) -> RedisResult<Self> {
        let info = url.expose_secret().into_connection_info()?;
        let client = Client::open(info.set_tcp_settings(tcp::settings()))?;
        Ok(Self(Arc::new(Inner {
            client,
            command_max,
            current: Mutex::new(Attempt {
                nr: 0,
                connecting: None,
            }),
        })))
    }

    /// Sends one command or pipeline.
    async fn execute<T>(
        &self,
        send: impl AsyncFnOnce(&mut MultiplexedConnection) -> RedisResult<T>,
        serves_nothing: impl FnOnce(&T) -> bool,
    ) -> RedisResult<T> {
        let (nr, connecting) = self.current();
        let mut connected = false;
        let answer = async {
            let made = connecting.await;
            // Also after a failure: a connection that could not be made is as useless as a lost one.
            connected = true;
            send(&mut made?).await
        };
        let answer = tokio::time::timeout(self.0.command_max, answer).await;
        let answer =
            answer.unwrap_or_else(|_| Err(io::Error::from(io::ErrorKind::TimedOut).into()));
        let is_useless = match &answer {
            Ok(value) => serves_nothing(value),
            Err(error) => error_makes_useless(error),
        };
        // An attempt to connect that is under way has a time limit of its own.
        if connected && is_useless {
            self.drop_attempt(nr);
        }
        answer
    }

    /// Returns the present connection or the attempt to make one, and begins an attempt if there is none.
    fn current(&self) -> (u64, Connecting) {
        let mut current = self.lock();
        let connecting = current.connecting.get_or_insert_with(|| {
            let connecting = connect(self.0.client.clone()).boxed().shared();
            // Spawned, so that it goes on while no command waits for it.
            tokio::spawn(connecting.clone());
            connecting
        });
        let connecting = connecting.clone();
        (current.nr, connecting)
    }

    /// Drops a connection, unless another one has replaced it already.
    fn drop_attempt(&self, nr: u64) {
        let mut current = self.lock();
        if current.nr == nr {
            *current = Attempt {
                nr: nr + 1,
                connecting: None,
            };
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Attempt> {
        self.0
            .current
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl ConnectionLike for Connection {
    fn req_packed_command<'a>(&'a mut self, command: &'a Cmd) -> RedisFuture<'a, Value> {
        let send = async |connection: &mut MultiplexedConnection| {
            connection.req_packed_command(command).await
        };
        self.execute(send, value_makes_useless).boxed()
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        pipeline: &'a Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        let send = async move |connection: &mut MultiplexedConnection| {
            connection
                .req_packed_commands(pipeline, offset, count)
                .await
        };
        self.execute(send, |values| values.iter().any(value_makes_useless))
            .boxed()
    }

    fn get_db(&self) -> i64 {
        self.0.client.get_connection_info().redis_settings().db()
    }
}

async fn connect(client: Client) -> RedisResult<MultiplexedConnection> {
    let config = AsyncConnectionConfig::new()
        .set_connection_timeout(Some(CONNECT_MAX))
        // `execute` bounds commands, and knows which of them timed out.
        .set_response_timeout(None);
    client
        .get_multiplexed_async_connection_with_config(&config)
        .await
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection")
            .field("command_max", &self.0.command_max)
            .finish_non_exhaustive()
    }
}
