//! The public listener: its protocols, its limits of time, and the middlewares around every request.

use std::{
    io,
    net::{SocketAddr, TcpListener},
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use actix_http::{HttpService, Protocol as Version, error::DispatchError};
use actix_server::GracefulShutdownSignal;
use actix_service::{
    IntoServiceFactory, Service, ServiceFactory, ServiceFactoryExt, apply_fn_factory, fn_service,
    map_config,
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
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite};

use crate::{
    log_floods::{self, Kind},
    metrics::{Metrics, event_loop},
};

use super::{
    connection::{
        Connection, Limits,
        place::{Placed, Places},
        requests::Requests,
    },
    cors::cors,
    options::Options,
    rate_limit::middleware,
    routes, single_headers,
    state::State,
    trace::trace,
};

/// The time that a client may take to notice that its connection is closed.
const DISCONNECT_MAX: Duration = Duration::from_secs(1);

/// Serves the API; with TLS if there is a configuration of it.
///
/// The same as `HttpServer` of actix-web, with limits of our own beneath it (see `connection`).
///
/// # Errors
/// The listener can't be used.
pub fn serve(
    listener: TcpListener,
    options: Options,
    tls: Option<ServerConfig>,
) -> io::Result<Server> {
    let settings = &options.settings;
    actix_tls::accept::max_concurrent_tls_connect(settings.connections_per_thread);
    let builder = Server::build()
        .disable_signals()
        .workers(settings.threads)
        .shutdown_timeout(settings.serve_on_s_max)
        .max_concurrent_connections(settings.connections_per_thread);
    let stopping = builder.graceful_shutdown_signal();
    let threads = Arc::new(AtomicUsize::new(0));
    let plain = settings.plain;
    let builder = match tls {
        Some(mut tls) => {
            tls.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
            builder.listen("https", listener, move || {
                let limits = limits(&options);
                let mut acceptor = Acceptor::new(tls.clone());
                acceptor.set_handshake_timeout(limits.head_max);
                let acceptor = acceptor
                    .map_init_err(|()| unreachable!("there is nothing that could fail"))
                    .map_err(TlsError::into_service_error);
                let places = Arc::clone(&options.places);
                let answer_max = limits.answer_max;
                fn_service(move |tcp| {
                    let counted = place(&places, tcp, answer_max);
                    async move { counted.map_err(TlsError::Service) }
                })
                .and_then(acceptor)
                .map(move |io: TlsStream<Placed>| {
                    let (counted, session) = io.get_ref();
                    let is_http2 = session.alpn_protocol() == Some(b"h2");
                    let version = if is_http2 {
                        Version::Http2
                    } else {
                        Version::Http1
                    };
                    let peer = counted.tcp().peer_addr().ok();
                    (
                        Connection::new(io, version, Rc::clone(&limits)),
                        version,
                        peer,
                    )
                })
                .and_then(http_service(&options, &stopping, &threads).map_err(TlsError::Service))
            })?
        }
        None => builder.listen("http", listener, move || {
            let limits = limits(&options);
            let places = Arc::clone(&options.places);
            fn_service(move |tcp: TcpStream| {
                let limits = Rc::clone(&limits);
                let counted = place(&places, tcp, limits.answer_max);
                async move {
                    let counted = counted?;
                    let version = plain.version(counted.tcp(), limits.head_max).await?;
                    let peer = counted.tcp().peer_addr().ok();
                    Ok((Connection::new(counted, version, limits), version, peer))
                }
            })
            .and_then(http_service(&options, &stopping, &threads))
        })?,
    };
    Ok(builder.run())
}

fn limits(options: &Options) -> Rc<Limits> {
    let settings = &options.settings;
    Rc::new(Limits {
        head_max: settings.head_max,
        idle_max: settings.idle_max,
        answer_max: settings.answer_max,
        requests_max: settings.streams_max,
        metrics: options.metrics.clone(),
    })
}

/// Gives a connection its place, if there is one.
fn place(
    places: &Arc<Places>,
    tcp: TcpStream,
    answer_max: Duration,
) -> Result<Placed, DispatchError> {
    let address = tcp.peer_addr().ok().map(|peer| peer.ip());
    let place = places.take(address);
    let place = place.ok_or_else(|| DispatchError::Io(io::ErrorKind::ConnectionRefused.into()))?;
    // Answers go out at once, however short. A client that has hung up is noticed later.
    drop(tcp.set_nodelay(true));
    // The system keeps its part of an answer no longer than we keep ours.
    #[cfg(target_os = "linux")]
    drop(SockRef::from(&tcp).set_tcp_user_timeout(Some(answer_max)));
    Ok(Placed::new(tcp, place))
}

/// The bytes of bodies that an HTTP/2 client may send before they are read: of one request, a whole body.
const HTTP2_WINDOW: u32 = 256 * 1024;
const HTTP2_CONNECTION_WINDOW: u32 = 1024 * 1024;

/// The application, and HTTP around it. Its own limit for heads is off.
fn http_service<Io>(
    options: &Options,
    stopping: &GracefulShutdownSignal,
    threads: &AtomicUsize,
) -> impl ServiceFactory<
    (Connection<Io>, Version, Option<SocketAddr>),
    Config = (),
    Response = (),
    Error = DispatchError,
    InitError = (),
> + use<Io>
where
    Io: AsyncRead + AsyncWrite + Unpin + 'static,
{
    let state = State::open(options).expect("the URLs were parsed at start");
    let (settings, docs) = (&options.settings, options.settings.docs);
    // A thread that is started again after a panic takes a name that was there before.
    let thread = threads.fetch_add(1, Ordering::Relaxed) % settings.threads;
    let lag = event_loop::measure(options.metrics.clone(), format!("http-{thread}"));
    actix_web::rt::spawn(lag);
    // The last middleware is the outermost.
    let app = App::new()
        .app_data(web::Data::new(state))
        .wrap(from_fn(middleware::limit))
        .wrap(cors(&settings.cors_origins))
        .wrap(from_fn(single_headers::refuse_repeated))
        .wrap(from_fn(trace))
        .configure(|app| routes::configure(app, docs))
        .into_factory()
        .map_err(|error: actix_web::Error| error.error_response());
    let stopping = stopping.clone();
    let service = HttpService::build()
        .on_connect_ext(|io: &Connection<Io>, extensions| {
            extensions.insert::<Rc<Requests>>(Rc::clone(io.requests()));
        })
        .h2_initial_window_size(HTTP2_WINDOW)
        .h2_initial_connection_window_size(HTTP2_CONNECTION_WINDOW)
        .graceful_shutdown_signal(move || {
            let stopping = stopping.clone();
            async move { stopping.notified().await }
        })
        .keep_alive(settings.idle_max)
        .client_request_timeout(Duration::ZERO)
        .client_disconnect_timeout(DISCONNECT_MAX)
        .finish(map_config(app, |()| AppConfig::default()));
    let metrics = options.metrics.clone();
    apply_fn_factory(service, move |connection, service| {
        let served = service.call(connection);
        let metrics = metrics.clone();
        async move {
            let ended = served.await;
            if let Err(DispatchError::H2(error)) = &ended
                && !error.is_io()
                && !error.is_remote()
            {
                tell_broken_http2(&metrics, &error.to_string());
            }
            ended
        }
    })
}

/// HTTP/2 has an answer of its own to what is broken, for the whole connection; no request can be
/// answered after it.
fn tell_broken_http2(metrics: &Metrics, problem: &str) {
    metrics.count_broken("http2");
    if log_floods::admits(Kind {
        what: "connections of HTTP/2 were broken",
        status: 0,
        code: "http2",
    }) {
        tracing::info!(
            http.broken = "http2",
            "a connection of HTTP/2 was broken: {problem}"
        );
    }
}
