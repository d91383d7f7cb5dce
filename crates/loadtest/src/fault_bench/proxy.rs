//! A TCP proxy before a service's Unix socket, on a thread of its own, that can lose connections as a
//! network does: it acknowledges what it receives, and sends nothing. The service's side stays open,
//! as it does behind a router that has failed.

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::Instant,
};

use anyhow::Context;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpListener, TcpStream, UnixStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
        unix,
    },
    sync::oneshot,
};

use crate::fault_bench::frames::{Frames, Statement};

const CHUNK_BYTES: usize = 64 * 1024;

/// The statement at which the next checkout's connection is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trap {
    pub at: Statement,
    /// True while bytes are passed on to the service.
    pub is_heard: bool,
}

#[derive(Debug, Default)]
struct Shared {
    connections: Mutex<Vec<Arc<Connection>>>,
    trap: Mutex<Option<Trap>>,
    is_set: AtomicBool,
    struck_at: Mutex<Option<Instant>>,
    refuses: AtomicBool,
    refused: AtomicU64,
    opened: AtomicU64,
    swallowed: AtomicU64,
}

#[derive(Debug, Default)]
struct Connection {
    is_silent: AtomicBool,
    is_closed: AtomicBool,
}

/// See the module. Dropped, it closes all connections.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    end: Option<oneshot::Sender<()>>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Proxy {
    /// Starts a proxy before the socket.
    pub fn start(socket: &Path) -> anyhow::Result<Self> {
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared::default());
        let (end, ended) = oneshot::channel();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let (for_thread, socket) = (Arc::clone(&shared), socket.to_owned());
        let thread = thread::Builder::new()
            .name("proxy".to_owned())
            .spawn(move || {
                runtime.block_on(async {
                    tokio::select! {
                        _ = ended => {}
                        () = accept(listener, socket, for_thread) => {}
                    }
                });
            })
            .context("can't start a thread")?;
        Ok(Self {
            address,
            shared,
            end: Some(end),
            thread: Some(thread),
        })
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Silences all open connections; returns their number.
    pub fn silence_all(&self) -> usize {
        let mut connections = lock(&self.shared.connections);
        connections.retain(|it| !it.is_closed.load(Ordering::Relaxed));
        for connection in connections.iter() {
            connection.is_silent.store(true, Ordering::Relaxed);
        }
        connections.len()
    }

    /// Loses the connection that sends this statement next.
    pub fn set_trap(&self, trap: Trap) {
        *lock(&self.shared.trap) = Some(trap);
        self.shared.is_set.store(true, Ordering::Relaxed);
    }

    /// The moment when that connection was lost.
    pub fn struck_at(&self) -> Option<Instant> {
        *lock(&self.shared.struck_at)
    }

    /// True while new connections are refused.
    pub fn refuse_new(&self, refuses: bool) {
        self.shared.refuses.store(refuses, Ordering::Relaxed);
    }

    /// The number of connections that were refused.
    pub fn refused(&self) -> u64 {
        self.shared.refused.load(Ordering::Relaxed)
    }

    /// The number of connections so far.
    pub fn opened(&self) -> u64 {
        self.shared.opened.load(Ordering::Relaxed)
    }

    /// Bytes that were sent to silent connections.
    pub fn swallowed(&self) -> u64 {
        self.shared.swallowed.load(Ordering::Relaxed)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        drop(self.end.take());
        if let Some(thread) = self.thread.take() {
            // The thread has no result.
            let _ = thread.join();
        }
    }
}

async fn accept(listener: std::net::TcpListener, socket: PathBuf, shared: Arc<Shared>) {
    let Ok(listener) = TcpListener::from_std(listener) else {
        return;
    };
    while let Ok((client, _)) = listener.accept().await {
        if shared.refuses.load(Ordering::Relaxed) {
            shared.refused.fetch_add(1, Ordering::Relaxed);
            continue;
        }
        let Ok(service) = UnixStream::connect(&socket).await else {
            continue;
        };
        shared.opened.fetch_add(1, Ordering::Relaxed);
        if client.set_nodelay(true).is_err() {
            continue;
        }
        let connection = Arc::new(Connection::default());
        lock(&shared.connections).push(Arc::clone(&connection));
        tokio::spawn(serve(client, service, connection, Arc::clone(&shared)));
    }
}

/// Both directions; whichever ends first ends the other, unless the connection is silent.
async fn serve(
    client: TcpStream,
    service: UnixStream,
    connection: Arc<Connection>,
    shared: Arc<Shared>,
) {
    let (client_reads, client_writes) = client.into_split();
    let (service_reads, service_writes) = service.into_split();
    let there = forward(client_reads, service_writes, &connection, &shared);
    let back = give_back(service_reads, client_writes, &connection);
    tokio::select! {
        () = there => {}
        () = back => {}
    }
    connection.is_closed.store(true, Ordering::Relaxed);
}

async fn forward(
    mut from: OwnedReadHalf,
    mut to: unix::OwnedWriteHalf,
    connection: &Connection,
    shared: &Shared,
) {
    let mut frames = Frames::default();
    let mut chunk = vec![0; CHUNK_BYTES];
    loop {
        let Ok(read @ 1..) = from.read(&mut chunk).await else {
            return;
        };
        let starts = frames.take(&chunk[..read]);
        if connection.is_silent.load(Ordering::Relaxed) {
            shared.swallowed.fetch_add(read as u64, Ordering::Relaxed);
            continue;
        }
        if shared.is_set.load(Ordering::Relaxed) && frames.is_checkout() {
            let mut trap = lock(&shared.trap);
            if let Some(set) = trap.take_if(|it| starts.contains(&it.at)) {
                shared.is_set.store(false, Ordering::Relaxed);
                connection.is_silent.store(true, Ordering::Relaxed);
                *lock(&shared.struck_at) = Some(Instant::now());
                if !set.is_heard {
                    shared.swallowed.fetch_add(read as u64, Ordering::Relaxed);
                    continue;
                }
            }
        }
        if to.write_all(&chunk[..read]).await.is_err() {
            return;
        }
    }
}

async fn give_back(mut from: unix::OwnedReadHalf, mut to: OwnedWriteHalf, connection: &Connection) {
    let mut chunk = vec![0; CHUNK_BYTES];
    loop {
        let read = from.read(&mut chunk).await;
        if connection.is_silent.load(Ordering::Relaxed) {
            // Nothing is ever sent back, not even the end of the connection.
            std::future::pending::<()>().await;
        }
        let Ok(read @ 1..) = read else {
            return;
        };
        if to.write_all(&chunk[..read]).await.is_err() {
            return;
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
