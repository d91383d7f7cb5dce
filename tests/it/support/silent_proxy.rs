//! A network between the program and PostgreSQL or Redis that loses connections silently.
//!
//! On command, all open connections, or the one over which certain bytes pass next, fall silent: they
//! stay open, data that is sent is acknowledged, and nothing is forwarded any more in either direction.
//! The server's end stays open, too, as if its host had not noticed. New connections work.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use sqlx::{
    ConnectOptions,
    postgres::{PgConnectOptions, PgSslMode},
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpStream, UnixStream},
    sync::watch,
    task::JoinHandle,
};

use super::{background, pg_messages::Statements};

/// A proxy that ends all its connections when it is dropped.
pub struct SilentProxy {
    port: u16,
    shared: Arc<Shared>,
    accepting: JoinHandle<()>,
}

#[derive(Clone)]
enum Server {
    Redis {
        socket: String,
    },
    Postgres {
        socket: String,
        options: Box<PgConnectOptions>,
    },
}

struct Shared {
    /// The target of new connections.
    server: Mutex<Server>,
    /// The number of connections so far, which is also the number of the newest one.
    accepted: AtomicUsize,
    silenced: AtomicUsize,
    /// Connections up to this number are silent.
    silent_up_to: watch::Sender<usize>,
    trigger: Mutex<Option<Trigger>>,
    /// The number of executed statements, by `application_name`.
    executed: Mutex<HashMap<String, usize>>,
}

/// The bytes that silence the connection over which they pass.
#[derive(Clone)]
struct Trigger {
    text: String,
    passes: Passes,
}

/// The fate of the bytes that silence their connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Passes {
    /// The server never gets them.
    Lost,
    /// The server gets them, and its answer is lost.
    Forwarded,
}

impl SilentProxy {
    /// Starts a proxy in front of a Redis that listens on a Unix socket.
    pub async fn before_redis(url: &str) -> Self {
        let socket = url.strip_prefix("redis+unix://").expect("a Unix socket");
        let socket = socket.to_owned();
        Self::start(Server::Redis { socket }).await
    }

    /// Starts a proxy in front of a PostgreSQL that listens on a Unix socket.
    pub async fn before_postgres(url: &str) -> Self {
        let options: PgConnectOptions = url.parse().unwrap();
        let directory = options.get_socket().expect("a Unix socket").display();
        let socket = format!("{directory}/.s.PGSQL.{}", options.get_port());
        let options = Box::new(options);
        Self::start(Server::Postgres { socket, options }).await
    }

    async fn start(server: Server) -> Self {
        let listener = background::listen().await;
        let port = listener.local_addr().unwrap().port();
        let shared = Arc::new(Shared {
            server: Mutex::new(server),
            accepted: AtomicUsize::new(0),
            silenced: AtomicUsize::new(0),
            silent_up_to: watch::Sender::new(0),
            trigger: Mutex::new(None),
            executed: Mutex::default(),
        });
        let accepting = background::spawn(accept_all(listener, Arc::clone(&shared)));
        Self {
            port,
            shared,
            accepting,
        }
    }

    /// The URL for the program, in place of the server's own.
    pub fn url(&self) -> String {
        match &*self.shared.server.lock().unwrap() {
            Server::Redis { .. } => format!("redis://127.0.0.1:{}", self.port),
            Server::Postgres { options, .. } => {
                let database = options.get_database().expect("a database is named");
                let tcp = PgConnectOptions::new_without_pgpass()
                    .host("127.0.0.1")
                    .port(self.port)
                    .username(options.get_username())
                    .database(database)
                    .ssl_mode(PgSslMode::Disable);
                tcp.to_url_lossy().to_string()
            }
        }
    }

    /// Connects new connections to another Redis, as a host name does after a failover.
    pub fn lead_to_redis(&self, url: &str) {
        let socket = url.strip_prefix("redis+unix://").expect("a Unix socket");
        let socket = socket.to_owned();
        *self.shared.server.lock().unwrap() = Server::Redis { socket };
    }

    /// Silences all open connections.
    pub fn silence(&self) {
        let newest = self.shared.accepted.load(Ordering::SeqCst);
        self.shared.silent_up_to.send_replace(newest);
    }

    /// Silences the connection over which this text passes next, on its way to the server. With
    /// PostgreSQL, the execution of a statement that was prepared with this text counts, too.
    pub fn silence_at(&self, text: &str, passes: Passes) {
        let text = text.to_ascii_lowercase();
        *self.shared.trigger.lock().unwrap() = Some(Trigger { text, passes });
    }

    /// The number of connections that fell silent while bytes were being forwarded or about to be.
    pub fn silenced(&self) -> usize {
        self.shared.silenced.load(Ordering::SeqCst)
    }

    /// The number of statements that connections of this `application_name` have executed, begins and commits
    /// included.
    pub fn executed(&self, application: &str) -> usize {
        let executed = self.shared.executed.lock().unwrap();
        executed.get(application).copied().unwrap_or(0)
    }

    /// The number of connections so far.
    pub fn accepted(&self) -> usize {
        self.shared.accepted.load(Ordering::SeqCst)
    }
}

impl Drop for SilentProxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept_all(listener: TcpListener, shared: Arc<Shared>) {
    // The set is dropped with this task, and with it all connections.
    let mut connections = tokio::task::JoinSet::new();
    loop {
        let (client, _) = listener.accept().await.unwrap();
        let nr = shared.accepted.fetch_add(1, Ordering::SeqCst) + 1;
        let server = shared.server.lock().unwrap().clone();
        connections.spawn(forward(client, server, nr, Arc::clone(&shared)));
        while connections.try_join_next().is_some() {}
    }
}

async fn forward(client: TcpStream, server: Server, nr: usize, shared: Arc<Shared>) {
    client.set_nodelay(true).unwrap();
    let (socket, statements) = match &server {
        Server::Redis { socket } => (socket, None),
        Server::Postgres { socket, .. } => (socket, Some(Statements::default())),
    };
    // A server that is away resets the connection.
    let Ok(upstream) = UnixStream::connect(socket).await else {
        return;
    };
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = upstream.into_split();
    let silent = watch::channel(false).0;
    let there = Direction {
        nr,
        shared: Arc::clone(&shared),
        silent: silent.clone(),
        looks_for_trigger: true,
        statements,
    };
    let back = Direction {
        nr,
        shared: Arc::clone(&shared),
        silent: silent.clone(),
        looks_for_trigger: false,
        statements: None,
    };
    tokio::select! {
        () = there.copy(from_client, to_server) => {}
        () = back.copy(from_server, to_client) => {}
    }
    if *silent.borrow() || *shared.silent_up_to.borrow() >= nr {
        // The close of a silent connection is not forwarded either.
        std::future::pending::<()>().await;
    }
}

struct Direction {
    nr: usize,
    shared: Arc<Shared>,
    silent: watch::Sender<bool>,
    looks_for_trigger: bool,
    statements: Option<Statements>,
}

impl Direction {
    /// Copies until one end is closed.
    async fn copy(mut self, mut from: impl AsyncRead + Unpin, mut to: impl AsyncWrite + Unpin) {
        let mut buffer = vec![0; 64 * 1024];
        loop {
            let Ok(length @ 1..) = from.read(&mut buffer).await else {
                return self.end(to).await;
            };
            let bytes = &buffer[..length];
            let was_silent = self.is_silent();
            let passes = if was_silent {
                Passes::Lost
            } else {
                self.passes(bytes)
            };
            if passes == Passes::Forwarded && to.write_all(bytes).await.is_err() {
                return;
            }
        }
    }

    /// Closes the other end of an open connection; that of a silent one stays open.
    async fn end(&self, mut to: impl AsyncWrite + Unpin) {
        if self.is_silent() {
            return std::future::pending().await;
        }
        drop(to.shutdown().await);
    }

    fn is_silent(&self) -> bool {
        let mut silent = *self.silent.borrow();
        if !silent && *self.shared.silent_up_to.borrow() >= self.nr {
            silent = true;
            self.fall_silent();
        }
        silent
    }

    fn fall_silent(&self) {
        if !self.silent.send_replace(true) {
            self.shared.silenced.fetch_add(1, Ordering::SeqCst);
        }
    }

    /// Decides if bytes are forwarded; silences the connection if they are the awaited ones.
    fn passes(&mut self, bytes: &[u8]) -> Passes {
        if !self.looks_for_trigger {
            return Passes::Forwarded;
        }
        let mut trigger = self.shared.trigger.lock().unwrap();
        let text = trigger.as_ref().map(|trigger| trigger.text.as_str());
        let found = match &mut self.statements {
            Some(statements) => {
                let before = statements.executed;
                let found = statements.read(bytes, text);
                let executed = statements.executed - before;
                if executed > 0 {
                    let mut all = self.shared.executed.lock().unwrap();
                    *all.entry(statements.application.clone()).or_default() += executed;
                }
                found
            }
            None => text.is_some_and(|text| contains(bytes, text)),
        };
        if !found {
            return Passes::Forwarded;
        }
        let passes = trigger.take().expect("the trigger was found").passes;
        drop(trigger);
        self.fall_silent();
        passes
    }
}

/// True if bytes contain a text that is given in lower case, in any case.
pub fn contains(bytes: &[u8], text: &str) -> bool {
    let lower = bytes.to_ascii_lowercase();
    lower
        .windows(text.len())
        .any(|window| window == text.as_bytes())
}
