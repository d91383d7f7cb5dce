//! The two listeners: binding, serving, and closing them.

use std::{io, net::SocketAddr};

use actix_web::{App as WebApp, HttpServer, dev::ServerHandle, middleware::from_fn, web};
use rustls::sign::CertifiedKey;
use tokio::task::JoinHandle;

use crate::{
    config::{Config, Protocol},
    http::{answer_body, listener, tls, watched_file::WatchedFiles},
    metrics::{Metrics, event_loop},
    ops::{self, Ops, console::dependencies::ask_again_and_again},
};

use super::Error;

/// The longest time that the private listener may take to close, in seconds.
pub(super) const OPS_CLOSE_MAX_S: u64 = 1;
/// The most connections of the private listener: files are set aside for them.
const OPS_CONNECTIONS_MAX: usize = 100;

/// A listener at work.
#[derive(Debug)]
pub(super) struct Listener {
    handle: ServerHandle,
    task: JoinHandle<io::Result<()>>,
}

impl Listener {
    pub(super) async fn stop(self) {
        self.handle.stop(true).await;
        if let Ok(Err(error)) = self.task.await {
            tracing::error!("a listener failed: {error}");
        }
    }
}

pub(super) fn bind(
    addr: SocketAddr,
    setting: &'static str,
) -> Result<std::net::TcpListener, Error> {
    listener::bind(addr).map_err(|source| Error::Listen {
        setting,
        addr,
        source,
    })
}

pub(super) fn certificate(
    config: &Config,
    metrics: &Metrics,
) -> Result<Option<WatchedFiles<CertifiedKey>>, Error> {
    Ok(match config.http.protocol() {
        Protocol::Tls {
            cert_file,
            key_file,
        } => {
            let not_after = metrics.certificate_not_after.clone();
            Some(tls::open(cert_file, key_file, not_after)?)
        }
        Protocol::Plain | Protocol::PlainOrH2c => None,
    })
}

/// The TLS of a listener with a certificate.
pub(super) fn tls_config(
    certificate: Option<&WatchedFiles<CertifiedKey>>,
) -> Result<Option<rustls::ServerConfig>, Error> {
    let tls = certificate.map(|it| tls::server_config(it.current()));
    Ok(tls.transpose()?)
}

pub(super) fn serve_ops(listener: std::net::TcpListener, ops: Ops) -> io::Result<Listener> {
    let ops = web::Data::new(ops);
    let factory = move || {
        // On the thread that is going to use the connection.
        actix_rt::spawn(ops::connect_early(ops.clone()));
        actix_rt::spawn(event_loop::measure(ops.metrics.clone(), "ops"));
        actix_rt::spawn(ask_again_and_again(ops.clone()));
        WebApp::new()
            .app_data(ops.clone())
            .wrap(from_fn(answer_body::read_short_body))
            .configure(ops::configure)
    };
    let server = HttpServer::new(factory)
        .disable_signals()
        .workers(1)
        .max_connections(OPS_CONNECTIONS_MAX)
        .shutdown_timeout(OPS_CLOSE_MAX_S);
    Ok(spawn(server.listen(listener)?.run()))
}

pub(super) fn spawn(server: actix_web::dev::Server) -> Listener {
    Listener {
        handle: server.handle(),
        task: actix_rt::spawn(server),
    }
}
