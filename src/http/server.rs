//! The public listener: what is spoken on it, how long it waits for whom, and what is around every
//! request.

use std::{
    io,
    net::{SocketAddr, TcpListener},
    rc::Rc,
    sync::Arc,
    time::Duration,
};

use actix_http::{HttpService, Protocol as Version, error::DispatchError};
use actix_server::GracefulShutdownSignal;
use actix_service::{
    IntoServiceFactory, ServiceFactory, ServiceFactoryExt, fn_service, map_config,
};
use actix_tls::accept::{
    TlsError,
    rustls_0_23::{Acceptor, TlsStream},
};
use actix_web::{
    App,
    dev::{AppConfig, Server},
    middleware::from_fn,
    rt::net::TcpStream,
    web,
};
use rustls::ServerConfig;
use secrecy::SecretString;
use tokio::io::{AsyncRead, AsyncWrite};

use crate::{
    actors::checkout_batch::CheckoutDesk,
    carts::batch::CartDesk,
    config::{Config, Protocol},
    idempotency::incarnation::Incarnation,
    metrics::Metrics,
};

use super::{
    cors::cors,
    head_limit::{HeadLimit, HeadLimits},
    rate_limit::{self, RateLimits},
    routes, single_headers,
    token::TokenVerifier,
    trace::trace,
    worker::Worker,
};

/// How long a client that was told that its connection is closed may take to hear it.
const DISCONNECT_MAX: Duration = Duration::from_secs(1);

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
/// What `HttpServer` of actix-web does, with a limit of our own beneath it (see `head_limit`).
///
/// # Errors
/// The listener can't be used.
pub fn serve(listener: TcpListener, front: Front, tls: Option<ServerConfig>) -> io::Result<Server> {
    let http = front.config.http.clone();
    actix_tls::accept::max_concurrent_tls_connect(http.connections_per_worker);
    let builder = Server::build()
        .disable_signals()
        .workers(front.config.http_workers())
        .shutdown_timeout(http.serve_on_s_max())
        .max_concurrent_connections(http.connections_per_worker);
    let stopping = builder.graceful_shutdown_signal();
    let plain = match http.protocol() {
        Protocol::PlainOrH2c => Plain::EitherVersion,
        Protocol::Plain | Protocol::Tls { .. } => Plain::Http1,
    };
    let builder = match tls {
        Some(mut tls) => {
            tls.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
            builder.listen("https", listener, move || {
                let limits = limits(&front);
                let mut acceptor = Acceptor::new(tls.clone());
                acceptor.set_handshake_timeout(limits.head_max);
                acceptor
                    .map_init_err(|()| unreachable!("there is nothing that could fail"))
                    .map_err(TlsError::into_service_error)
                    .map(move |io: TlsStream<TcpStream>| {
                        let (tcp, session) = io.get_ref();
                        let is_http2 = session.alpn_protocol() == Some(b"h2");
                        let version = if is_http2 {
                            Version::Http2
                        } else {
                            Version::Http1
                        };
                        let peer = peer_of(tcp);
                        (
                            HeadLimit::new(io, version, Rc::clone(&limits)),
                            version,
                            peer,
                        )
                    })
                    .and_then(http_service(&front, &stopping).map_err(TlsError::Service))
            })?
        }
        None => builder.listen("http", listener, move || {
            let limits = limits(&front);
            fn_service(move |io: TcpStream| {
                let limits = Rc::clone(&limits);
                async move {
                    let version = plain.version(&io, limits.head_max).await?;
                    let peer = peer_of(&io);
                    Ok((HeadLimit::new(io, version, limits), version, peer))
                }
            })
            .and_then(http_service(&front, &stopping))
        })?,
    };
    Ok(builder.run())
}

/// What is understood without TLS.
#[derive(Clone, Copy, Debug)]
enum Plain {
    Http1,
    EitherVersion,
}

impl Plain {
    /// Which version a client begins with.
    async fn version(self, io: &TcpStream, wait_max: Duration) -> Result<Version, DispatchError> {
        const HTTP2_BEGINS_WITH: &[u8] = b"PRI * HTTP/2";
        let Self::EitherVersion = self else {
            return Ok(Version::Http1);
        };
        let mut first = [0; HTTP2_BEGINS_WITH.len()];
        let peeked = tokio::time::timeout(wait_max, io.peek(&mut first)).await;
        match peeked {
            Ok(length) => {
                length?;
                let is_http2 = first == HTTP2_BEGINS_WITH;
                Ok(if is_http2 {
                    Version::Http2
                } else {
                    Version::Http1
                })
            }
            Err(_) => Err(DispatchError::SlowRequestTimeout),
        }
    }
}

fn limits(front: &Front) -> Rc<HeadLimits> {
    let http = &front.config.http;
    Rc::new(HeadLimits {
        head_max: Duration::from_millis(http.head_ms_max),
        idle_max: Duration::from_millis(http.keep_alive_ms),
        metrics: front.metrics.clone(),
    })
}

fn peer_of(io: &TcpStream) -> Option<SocketAddr> {
    // Answers go out at once, however short. Who has hung up will be found gone.
    drop(io.set_nodelay(true));
    io.peer_addr().ok()
}

/// The application, and HTTP around it. Its own limit for heads is off.
fn http_service<Io>(
    front: &Front,
    stopping: &GracefulShutdownSignal,
) -> impl ServiceFactory<
    (HeadLimit<Io>, Version, Option<SocketAddr>),
    Config = (),
    Response = (),
    Error = DispatchError,
    InitError = (),
> + use<Io>
where
    Io: AsyncRead + AsyncWrite + Unpin + 'static,
{
    let worker = Worker::open(front).expect("the URLs were parsed at start");
    // The last one is the outermost.
    let app = App::new()
        .app_data(web::Data::new(worker))
        .wrap(from_fn(rate_limit::limit))
        .wrap(cors(&front.config.http.cors_origins))
        .wrap(from_fn(single_headers::refuse_repeated))
        .wrap(from_fn(trace))
        .configure(routes::configure)
        .into_factory()
        .map_err(|error: actix_web::Error| error.error_response());
    let stopping = stopping.clone();
    HttpService::build()
        .graceful_shutdown_signal(move || {
            let stopping = stopping.clone();
            async move { stopping.notified().await }
        })
        .keep_alive(Duration::from_millis(front.config.http.keep_alive_ms))
        .client_request_timeout(Duration::ZERO)
        .client_disconnect_timeout(DISCONNECT_MAX)
        .finish(map_config(app, |()| AppConfig::default()))
}
