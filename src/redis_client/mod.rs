//! Connections to Redis, for idempotency, events and health alike: to one server, to the primary that
//! Sentinels know, or to a cluster.
//!
//! A [`Connection`] bounds every command by a time limit of this process. A connection that did not answer
//! in time, or whose server serves nothing at present, is dropped, and the next command makes a new one.
//! (`redis::aio::ConnectionManager` keeps a connection that timed out, and one whose server became
//! a replica, forever.) A new connection looks anew for the server that it belongs to.
//!
//! | rule | file |
//! |---|---|
//! | what is connected to, with which files and logins | `target` |
//! | how each kind of connection is made, and its time limits | `link` |
//! | which node of a cluster has a key | `owner` |
//! | looking at the servers in use, for operators | `nodes` |
//! | which errors mean that another server is wanted | `server_errors` |
//! | how a dead peer is detected | `tcp` |
//! | reading the answer to INFO | `info` |
//!
//! The pause that spares requests a slow Redis is in `idempotency/redis_pause.rs`.

mod info;
mod link;
mod nodes;
mod owner;
mod server_errors;
mod target;
mod tcp;

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use futures_util::{
    FutureExt,
    future::{BoxFuture, Shared},
};
use redis::{Cmd, Pipeline, RedisFuture, RedisResult, Value, aio::ConnectionLike};

use self::{
    link::{Link, connect, timed_out},
    server_errors::{error_makes_useless, value_makes_useless},
};

pub use self::{
    info::info_field,
    nodes::{Node, look},
    server_errors::serves_nothing,
    target::{InvalidTarget, SentinelLogin, Target, TlsFiles},
};

/// The time for which the client of a cluster is kept whatever happens: it repairs its connections to nodes, and
/// commands to those that are well go on.
const CLUSTER_KEPT_FOR: Duration = Duration::from_secs(2);

/// A connection that is replaced when it is of no more use. Clones share it.
#[derive(Clone)]
pub struct Connection(Arc<Inner>);

struct Inner {
    target: Target,
    /// In a cluster: a command about the only key that the connection is for.
    probe: Option<Cmd>,
    command_max: Duration,
    current: Mutex<Attempt>,
}

/// A connection that is being made, or has been made.
#[derive(Clone)]
struct Attempt {
    /// Counts the attempts, so that only the current one can be dropped.
    nr: u64,
    /// With its beginning. `None` until the connection is first needed, and after it was dropped.
    connecting: Option<(Instant, Connecting)>,
}

type Connecting = Shared<BoxFuture<'static, RedisResult<Link>>>;

impl Connection {
    /// Makes the connection when it is first used. Must be used on one runtime only.
    ///
    /// `command_max` bounds every command and every pipeline, including the wait for a connection. A caller
    /// must not drop a command any earlier because Redis is slow: whether a connection is of use is known
    /// from the outcome of its commands.
    pub fn lazy(target: &Target, command_max: Duration) -> Self {
        Self::new(target, None, command_max)
    }

    /// The same for a single key. In a cluster it leads to the node that has the key of `probe`, a command
    /// that changes nothing.
    pub fn lazy_for(target: &Target, probe: Cmd, command_max: Duration) -> Self {
        Self::new(target, Some(probe), command_max)
    }

    fn new(target: &Target, probe: Option<Cmd>, command_max: Duration) -> Self {
        Self(Arc::new(Inner {
            target: target.clone(),
            probe,
            command_max,
            current: Mutex::new(Attempt {
                nr: 0,
                connecting: None,
            }),
        }))
    }

    /// Sends one command or pipeline.
    async fn execute<T>(
        &self,
        send: impl AsyncFnOnce(&mut Link) -> RedisResult<T>,
        makes_useless: impl FnOnce(&T, &Link) -> bool,
    ) -> RedisResult<T> {
        let (nr, began, connecting) = self.current();
        let mut made = None;
        let answer = async {
            let link = made.insert(connecting.await);
            send(link.as_mut().map_err(|error| error.clone())?).await
        };
        let answer = tokio::time::timeout(self.0.command_max, answer).await;
        let answer = answer.unwrap_or_else(|_| Err(timed_out()));
        let is_useless = match (&made, &answer) {
            // An attempt to connect that is under way has a time limit of its own.
            (None, _) => false,
            (Some(Err(_)), _) => true,
            (Some(Ok(Link::Cluster(_))), _) if began.elapsed() < CLUSTER_KEPT_FOR => false,
            (Some(Ok(link)), Ok(value)) => makes_useless(value, link),
            (Some(Ok(link)), Err(error)) => error_makes_useless(error, link),
        };
        if is_useless {
            self.drop_attempt(nr);
        }
        answer
    }

    /// Returns the present connection or the attempt to make one, and begins an attempt if there is none.
    fn current(&self) -> (u64, Instant, Connecting) {
        let mut current = self.lock();
        let (began, connecting) = current.connecting.get_or_insert_with(|| {
            let connecting = connect(self.0.target.clone(), self.0.probe.clone());
            let connecting = connecting.boxed().shared();
            // Spawned, so that it goes on while no command waits for it.
            tokio::spawn(connecting.clone());
            (Instant::now(), connecting)
        });
        let (began, connecting) = (*began, connecting.clone());
        (current.nr, began, connecting)
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
        let send = async |link: &mut Link| link.send(command).await;
        self.execute(send, value_makes_useless).boxed()
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        pipeline: &'a Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        let send = async move |link: &mut Link| link.send_all(pipeline, offset, count).await;
        let makes_useless = |values: &Vec<Value>, link: &Link| {
            values.iter().any(|value| value_makes_useless(value, link))
        };
        self.execute(send, makes_useless).boxed()
    }

    fn get_db(&self) -> i64 {
        self.0.target.db()
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection")
            .field("target", &self.0.target)
            .field("command_max", &self.0.command_max)
            .finish_non_exhaustive()
    }
}
