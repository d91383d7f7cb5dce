//! The public listener: what is spoken on it, how long it waits for whom, and what is around every
//! request.

use std::{io, net::TcpListener, sync::Arc, time::Duration};

use actix_web::{App, HttpServer, dev::Server, middleware::from_fn, web};
use rustls::ServerConfig;
use secrecy::SecretString;

use crate::{
    actors::checkout_batch::CheckoutDesk,
    carts::batch::CartDesk,
    config::{Config, Protocol},
    idempotency::incarnation::Incarnation,
    metrics::Metrics,
};

use super::{
    cors::cors,
    rate_limit::{self, RateLimits},
    routes,
    token::TokenVerifier,
    trace::trace,
    worker::Worker,
};

/// What all workers of the listener start from.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "the types say it")]
pub struct Front {
    pub config: Config,
    pub database_url: SecretString,
    pub redis_url: SecretString,
    pub desk: CheckoutDesk,
    pub carts: CartDesk,
    /// Which database Redis' answers are of.
    pub incarnation: Incarnation,
    pub tokens: TokenVerifier,
    /// None if they are off.
    pub rate_limits: Option<Arc<RateLimits>>,
    pub metrics: Metrics,
}

/// Serves the API; with TLS if there is a configuration of it.
///
/// # Errors
/// The listener can't be used.
pub fn serve(listener: TcpListener, front: Front, tls: Option<ServerConfig>) -> io::Result<Server> {
    let http = front.config.http.clone();
    let factory = move || {
        let worker = Worker::open(&front).expect("the URLs were parsed at start");
        // The last one is the outermost.
        App::new()
            .app_data(web::Data::new(worker))
            .wrap(from_fn(rate_limit::limit))
            .wrap(cors(&front.config.http.cors_origins))
            .wrap(from_fn(trace))
            .configure(routes::configure)
    };
    let head_max = Duration::from_millis(http.head_ms_max);
    let mut server = HttpServer::new(factory)
        .disable_signals()
        .shutdown_timeout(http.drain_s_max)
        .client_request_timeout(head_max)
        .tls_handshake_timeout(head_max)
        .keep_alive(Duration::from_millis(http.keep_alive_ms))
        .max_connections(http.connections_per_worker);
    if http.workers > 0 {
        server = server.workers(http.workers);
    }
    let server = match (tls, http.protocol()) {
        (Some(tls), _) => server.listen_rustls_0_23(listener, tls)?,
        (None, Protocol::PlainOrH2c) => server.listen_auto_h2c(listener)?,
        (None, _) => server.listen(listener)?,
    };
    Ok(server.run())
}
