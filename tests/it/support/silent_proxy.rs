//! A network between the program and PostgreSQL or Redis that loses connections without a word.
//!
//! On command the connections that stand, or the one over which certain bytes pass next, fall silent:
//! they stay open, what is sent is acknowledged, and nothing is forwarded any more in either
//! direction. The server's end stays open, too, as if its host had not noticed. New connections work.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicUsize, Ordering},
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

use super::pg_messages::Statements;

/// See the module. Ends everything when dropped.
pub struct SilentProxy {
    port: u16,
    shared: Arc<Shared>,
    accepting: JoinHandle<()>,
    server: Server,
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

#[derive(Default)]
struct Shared {
    /// The number of connections so far, which is also the newest one's.
    accepted: AtomicUsize,
    silenced: AtomicUsize,
    /// Connections up to this number are silent.
    silent_up_to: watch::Sender<usize>,
    trigger: Mutex<Option<Trigger>>,
}

/// What silences the one connection over which it passes.
#[derive(Clone)]
struct Trigger {
    text: String,
    passes: Passes,
}

/// What becomes of the bytes that silence their connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Passes {
    /// The server never gets them.
    Lost,
    /// The server gets them, and its answer is lost.
    Forwarded,
}

impl SilentProxy {
    /// In front of a Redis that listens on a Unix socket.
    pub async fn before_redis(url: &str) -> Self {
        let socket = url.strip_prefix("redis+unix://").expect("a Unix socket");
        let socket = socket.to_owned();
        Self::start(Server::Redis { socket }).await
    }

    /// In front of a PostgreSQL that listens on a Unix socket.
    pub async fn before_postgres(url: &str) -> Self {
        let options: PgConnectOptions = url.parse().unwrap();
        let directory = options.get_socket().expect("a Unix socket").display();
        let socket = format!("{directory}/.s.PGSQL.{}", options.get_port());
        let options = Box::new(options);
        Self::start(Server::Postgres { socket, options }).await
    }

    async fn start(server: Server) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let shared = Arc::new(Shared::default());
        let accepting = tokio::spawn(accept_all(listener, server.clone(), Arc::clone(&shared)));
        Self {
            port,
            shared,
            accepting,
            server,
        }
    }

    /// What the program is given instead of the server's own URL.
    pub fn url(&self) -> String {
        match &self.server {
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

    /// All connections that stand fall silent.
    pub fn silence(&self) {
        let newest = self.shared.accepted.load(Ordering::SeqCst);
        self.shared.silent_up_to.send_replace(newest);
    }

    /// The connection over which this text passes next, on its way to the server, falls silent. To
    /// PostgreSQL also a statement that was prepared with it.
    pub fn silence_at(&self, text: &str, passes: Passes) {
        let text = text.to_ascii_lowercase();
        *self.shared.trigger.lock().unwrap() = Some(Trigger { text, passes });
    }

    /// How many connections fell silent while bytes were to pass, or were on their way.
    pub fn silenced(&self) -> usize {
        self.shared.silenced.load(Ordering::SeqCst)
    }

    /// How many connections were made so far.
    pub fn accepted(&self) -> usize {
        self.shared.accepted.load(Ordering::SeqCst)
    }
}

impl Drop for SilentProxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept_all(listener: TcpListener, server: Server, shared: Arc<Shared>) {
    // Dropped with this task, and with them all connections.
    let mut connections = tokio::task::JoinSet::new();
    loop {
        let (client, _) = listener.accept().await.unwrap();
        let nr = shared.accepted.fetch_add(1, Ordering::SeqCst) + 1;
        let (server, shared) = (server.clone(), Arc::clone(&shared));
        connections.spawn(async move { forward(client, server, nr, shared).await });
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
        // Who closes a silent connection is not heard either.
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
    /// Copies until an end is closed.
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

    /// The other end of an open connection hears that this one was closed; of a silent one, never.
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

    /// Whether bytes go on; falls silent if they are the ones that were waited for.
    fn passes(&mut self, bytes: &[u8]) -> Passes {
        if !self.looks_for_trigger {
            return Passes::Forwarded;
        }
        let mut trigger = self.shared.trigger.lock().unwrap();
        let text = trigger.as_ref().map(|trigger| trigger.text.as_str());
        let found = match &mut self.statements {
            Some(statements) => statements.read(bytes, text),
            None => text.is_some_and(|text| contains(bytes, text)),
        };
        if !found {
            return Passes::Forwarded;
        }
        let passes = trigger.take().expect("it was found").passes;
        drop(trigger);
        self.fall_silent();
        passes
    }
}

/// Whether a text in lower case is in bytes, in whatever case.
pub fn contains(bytes: &[u8], text: &str) -> bool {
    let lower = bytes.to_ascii_lowercase();
    lower
        .windows(text.len())
        .any(|window| window == text.as_bytes())
}
