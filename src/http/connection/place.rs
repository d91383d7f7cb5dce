//! The number of connections: of all clients, by the open files that the system allows, and of one
//! address, so that no client takes all.

use std::{
    io,
    net::IpAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use actix_web::rt::net::{ActixStream, Ready, TcpStream};
use dashmap::DashMap;
use nix::sys::resource::{Resource, getrlimit};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::{
    config::Proxy,
    http::rate_limit::key::counted_together,
    log_floods::{self, Kind},
    metrics::Metrics,
};

/// Open files beside connections of clients and to PostgreSQL: of Redis, listeners, the private
/// listener's connections, keys and certificates, the log.
const OTHER_FILES: u64 = 200;
/// More per thread: its connection to Redis, its event loop.
const FILES_PER_THREAD: u64 = 8;
/// Fewer than that is worth a warning.
const FEW: usize = 2000;
/// With fewer than that nothing could be served.
const CONNECTIONS_MIN: u64 = 16;

/// The connections that may be served at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Connections {
    /// As set, or fewer.
    pub per_thread: usize,
    /// Of all threads.
    pub in_all: usize,
    /// The files that may be open.
    pub files_max: u64,
    are_fewer_than_wanted: bool,
}

/// The connections that the settings ask for, and the files that others need.
#[derive(Clone, Copy, Debug)]
pub struct Wanted {
    pub threads: usize,
    pub per_thread: usize,
    /// Connections to PostgreSQL, of the whole process.
    pub database_connections: u64,
}

impl Connections {
    /// As many as are wanted, or as the system allows.
    pub fn of(wanted: Wanted) -> Self {
        let files_max = getrlimit(Resource::RLIMIT_NOFILE).map_or(1024, |(soft, _)| soft);
        Self::within(wanted, files_max)
    }

    /// The same with a limit of open files that is known.
    pub fn within(wanted: Wanted, files_max: u64) -> Self {
        let threads = wanted.threads as u64;
        let others = wanted.database_connections + OTHER_FILES + threads * FILES_PER_THREAD;
        let left = files_max.saturating_sub(others).max(CONNECTIONS_MIN);
        let per_thread_wanted = wanted.per_thread as u64;
        let per_thread = per_thread_wanted.min((left / threads).max(1));
        let per_thread = usize::try_from(per_thread).unwrap_or(usize::MAX);
        Self {
            per_thread,
            in_all: per_thread.saturating_mul(wanted.threads),
            files_max,
            are_fewer_than_wanted: (per_thread as u64) < per_thread_wanted,
        }
    }

    /// True if the system allows so few that it is worth a warning.
    pub fn are_few(&self) -> bool {
        self.are_fewer_than_wanted && self.in_all < FEW
    }
}

/// The connections of all addresses; shared by all threads.
#[derive(Debug)]
pub struct Places {
    taken: DashMap<IpAddr, u32>,
    /// The limit of one address; `None` if there is none.
    most: Option<u32>,
    proxies: Vec<Proxy>,
    metrics: Metrics,
}

/// A connection's place: counted while it exists.
#[derive(Debug)]
pub struct Place {
    places: Arc<Places>,
    /// The client's address; `None` for a trusted proxy.
    address: Option<IpAddr>,
}

impl Places {
    /// `most` is the limit of one address.
    pub fn new(most: Option<u32>, proxies: Vec<Proxy>, metrics: Metrics) -> Arc<Self> {
        Arc::new(Self {
            taken: DashMap::new(),
            most,
            proxies,
            metrics,
        })
    }

    /// Takes a place for an address, unless it has as many as it may. Trusted proxies are not limited: many
    /// clients are behind them.
    pub fn take(self: &Arc<Self>, address: Option<IpAddr>) -> Option<Place> {
        let address = address.map(|address| address.to_canonical());
        let is_proxy = |address| self.proxies.iter().any(|proxy| proxy.contains(address));
        let counted = address
            .filter(|address| !is_proxy(*address))
            .map(counted_together);
        if let Some(address) = counted {
            let mut taken = self.taken.entry(address).or_insert(0);
            if self.most.is_some_and(|most| *taken >= most) {
                drop(taken);
                self.refuse();
                return None;
            }
            *taken += 1;
        }
        self.metrics.connections.inc();
        Some(Place {
            places: Arc::clone(self),
            address: counted,
        })
    }

    fn refuse(&self) {
        self.metrics.count_cut_connection("address");
        if log_floods::admits(Kind {
            what: "connections were closed at once",
            status: 0,
            code: "address",
        }) {
            tracing::warn!(
                "a connection was closed at once: its address has as many as it may \
                 (limits.address_connections); if that is a proxy of yours, name it in \
                 http.trusted_proxies"
            );
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.places.metrics.connections.dec();
        if let Some(address) = self.address {
            let taken = &self.places.taken;
            if let Some(mut count) = taken.get_mut(&address) {
                *count -= 1;
            }
            taken.remove_if(&address, |_, count| *count == 0);
        }
    }
}

/// A TCP connection in its place.
#[derive(Debug)]
pub struct Placed {
    tcp: TcpStream,
    #[expect(dead_code, reason = "it is given back when the connection ends")]
    place: Place,
}

impl Placed {
    /// In this place.
    pub fn new(tcp: TcpStream, place: Place) -> Self {
        Self { tcp, place }
    }

    /// The connection.
    pub fn tcp(&self) -> &TcpStream {
        &self.tcp
    }
}

impl AsyncRead for Placed {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Placed {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.tcp).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.tcp.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.tcp).poll_write_vectored(cx, parts)
    }
}

/// Required by the acceptor of TLS.
impl ActixStream for Placed {
    fn poll_read_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<Ready>> {
        ActixStream::poll_read_ready(&self.tcp, cx)
    }

    fn poll_write_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<Ready>> {
        ActixStream::poll_write_ready(&self.tcp, cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn take(places: &Arc<Places>, address: &str) -> Option<Place> {
        places.take(Some(address.parse().unwrap()))
    }

    #[test]
    fn an_address_has_its_connections_and_a_trusted_proxy_has_all() {
        let proxies = vec![Proxy::try_from("10.0.0.1".to_owned()).unwrap()];
        let places = Places::new(Some(2), proxies, Metrics::new());
        let one = take(&places, "192.0.2.1").unwrap();
        let two = take(&places, "192.0.2.1");
        assert!(two.is_some());
        assert!(take(&places, "192.0.2.1").is_none());
        assert!(take(&places, "::ffff:192.0.2.1").is_none());
        assert!(take(&places, "192.0.2.2").is_some());
        let of_proxy: Vec<_> = (0..9).map(|_| take(&places, "10.0.0.1")).collect();
        assert!(of_proxy.iter().all(Option::is_some));
        drop(one);
        assert!(take(&places, "192.0.2.1").is_some());
        drop(two);
        assert!(places.taken.is_empty(), "nobody is remembered");
    }

    #[test]
    fn connections_are_fewer_where_few_files_may_be_open() {
        let wanted = Wanted {
            threads: 2,
            per_thread: 25_000,
            database_connections: 60,
        };
        let ample = Connections::within(wanted, 1_000_000);
        assert_eq!((ample.per_thread, ample.are_few()), (25_000, false));
        let few = Connections::within(wanted, 1024);
        assert!(few.are_few());
        let rest = 1024 - few.in_all as u64;
        assert!(rest >= wanted.database_connections + OTHER_FILES, "{few:?}");
        assert!(few.in_all > 500, "{few:?}");
    }
}
