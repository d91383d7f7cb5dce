//! Connections to Redis, whatever they are then used for.
//!
//! A [`Connection`] bounds every command by a limit of this process and does not outlive its use: one
//! that did not answer in time, or whose server says that it serves nothing at present, is given up,
//! and the next command finds a new one. (`redis::aio::ConnectionManager` keeps a connection that
//! timed out, and one whose server became a replica, for ever.)

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
    AsyncConnectionConfig, Client, Cmd, IntoConnectionInfo, Pipeline, RedisError, RedisFuture,
    RedisResult, ServerError, Value,
    aio::{ConnectionLike, MultiplexedConnection},
    io::tcp::{TcpSettings, socket2::TcpKeepalive},
};
use secrecy::{ExposeSecret, SecretString};

/// How long connecting may take. Longer than most commands may: nobody waits for all of it, and a
/// connection that is ready too late for one command is there for the next.
const CONNECT_MAX: Duration = Duration::from_secs(2);
/// After so long without traffic the system asks whether the other end is still there.
const KEEPALIVE_AFTER: Duration = Duration::from_secs(10);
const KEEPALIVE_EVERY: Duration = Duration::from_secs(5);
const KEEPALIVE_RETRIES: u32 = 3;
/// How long what was sent may stay unacknowledged.
#[cfg(target_os = "linux")]
const UNACKNOWLEDGED_MAX: Duration = Duration::from_secs(10);

/// Codes of a server that is not the one we want, or not yet: the same address may lead to another one.
const SERVES_NOTHING: [&str; 7] = [
    "READONLY",
    "LOADING",
    "MASTERDOWN",
    "CLUSTERDOWN",
    "NOREPLICAS",
    "NOAUTH",
    "WRONGPASS",
];

/// See the module. Cloning shares the connection.
#[derive(Clone)]
pub struct Connection(Arc<Inner>);

struct Inner {
    client: Client,
    command_max: Duration,
    current: Mutex<Attempt>,
}

/// A connection that is being made, or was.
#[derive(Clone)]
struct Attempt {
    /// Tells this attempt from those before and after it.
    nr: u64,
    /// None until the connection is first needed, and after it was given up.
    connecting: Option<Connecting>,
}

type Connecting = Shared<BoxFuture<'static, RedisResult<MultiplexedConnection>>>;

impl Connection {
    /// A connection that is made when it is first used. Must be used on one runtime only.
    ///
    /// `command_max` bounds every command and every pipeline, waiting for a connection included; its
    /// caller need not, and must not give a command up any earlier because Redis is slow: a connection
    /// is judged by what became of its commands.
    ///
    /// # Errors
    /// The URL is malformed.
    pub fn lazy(url: &SecretString, command_max: Duration) -> RedisResult<Self> {
        let info = url.expose_secret().into_connection_info()?;
        let client = Client::open(info.set_tcp_settings(tcp_settings()))?;
        Ok(Self(Arc::new(Inner {
            client,
            command_max,
            current: Mutex::new(Attempt {
                nr: 0,
                connecting: None,
            }),
        })))
    }

    /// Carries out one command or pipeline.
    async fn carry_out<T>(
        &self,
        send: impl AsyncFnOnce(&mut MultiplexedConnection) -> RedisResult<T>,
        serves_nothing: impl FnOnce(&T) -> bool,
    ) -> RedisResult<T> {
        let (nr, connecting) = self.current();
        let mut connected = false;
        let answer = async {
            let made = connecting.await;
            // One that could not be made is of no more use than one that was lost.
            connected = true;
            send(&mut made?).await
        };
        let answer = tokio::time::timeout(self.0.command_max, answer).await;
        let answer =
            answer.unwrap_or_else(|_| Err(io::Error::from(io::ErrorKind::TimedOut).into()));
        let of_no_use = match &answer {
            Ok(value) => serves_nothing(value),
            Err(error) => error_is_of_the_connection(error),
        };
        // An attempt to connect that is under way has a limit of its own.
        if connected && of_no_use {
            self.give_up(nr);
        }
        answer
    }

    /// The present connection, or the attempt to make one.
    fn current(&self) -> (u64, Connecting) {
        let mut current = self.lock();
        let connecting = current.connecting.get_or_insert_with(|| {
            let connecting = connect(self.0.client.clone()).boxed().shared();
            // It goes on while no command waits for it.
            tokio::spawn(connecting.clone());
            connecting
        });
        let connecting = connecting.clone();
        (current.nr, connecting)
    }

    /// Gives a connection up, unless another one has taken its place already.
    fn give_up(&self, nr: u64) {
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
        self.carry_out(send, value_is_of_the_server).boxed()
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
        self.carry_out(send, |values| values.iter().any(value_is_of_the_server))
            .boxed()
    }

    fn get_db(&self) -> i64 {
        self.0.client.get_connection_info().redis_settings().db()
    }
}

async fn connect(client: Client) -> RedisResult<MultiplexedConnection> {
    let config = AsyncConnectionConfig::new()
        .set_connection_timeout(Some(CONNECT_MAX))
        // Commands are bounded by the connection's users.
        .set_response_timeout(None);
    client
        .get_multiplexed_async_connection_with_config(&config)
        .await
}

/// A connection over which nothing comes is found by the system, too: also while no command is sent.
fn tcp_settings() -> TcpSettings {
    let keepalive = TcpKeepalive::new()
        .with_time(KEEPALIVE_AFTER)
        .with_interval(KEEPALIVE_EVERY)
        .with_retries(KEEPALIVE_RETRIES);
    let settings = TcpSettings::default()
        .set_nodelay(true)
        .set_keepalive(keepalive);
    #[cfg(target_os = "linux")]
    let settings = settings.set_user_timeout(UNACKNOWLEDGED_MAX);
    settings
}

/// Whether an answer says that the server serves nothing at present.
pub fn serves_nothing(answer: &ServerError) -> bool {
    // Redis before 7 hides the code of a script's command in the text of its own.
    let within_a_script = || {
        answer
            .details()
            .is_some_and(|text| text.contains("-READONLY "))
    };
    SERVES_NOTHING.contains(&answer.code()) || within_a_script()
}

fn value_is_of_the_server(value: &Value) -> bool {
    matches!(value, Value::ServerError(answer) if serves_nothing(answer))
}

fn error_is_of_the_connection(error: &RedisError) -> bool {
    error.is_io_error()
        || error.is_unrecoverable_error()
        || error
            .clone()
            .into_server_errors()
            .is_some_and(|answers| answers.iter().any(|(_, answer)| serves_nothing(answer)))
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection")
            .field("command_max", &self.0.command_max)
            .finish_non_exhaustive()
    }
}
