//! Posts a body to a URL of a store.
//!
//! Every post has a connection of its own. The host is resolved for it, addresses that are not public are left
//! out, and the connection is made to one of the rest: a name that leads elsewhere a moment later leads
//! nowhere. Redirects are not followed, and no proxy is used. What the other side answers is limited in
//! length and time.

use std::{
    fmt, io,
    net::{IpAddr, SocketAddr},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use futures_util::future::BoxFuture;
use http_body_util::{BodyExt, Full};
use hyper::{
    Request, Response, Uri,
    body::{Bytes, Incoming},
    header,
};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::Client as HyperClient,
    rt::{TokioExecutor, TokioIo},
};
use rustls::{ClientConfig, RootCertStore, crypto::ring};
use tokio::{net::TcpStream, sync::Semaphore};
use tower_service::Service;

use super::{address::Reach, url};

/// The time limit of a post, from the look-up of the host to the head of the answer.
pub const POST_MAX: Duration = Duration::from_secs(10);
/// The time limit of one attempt to connect: of several addresses a dead one must leave time for the next.
const CONNECT_MAX: Duration = Duration::from_secs(4);
/// The most of an answer's body that is read, for the sake of the other side, and the time for it.
const ANSWER_LEN_MAX: usize = 16 * 1024;
const ANSWER_WAIT_MAX: Duration = Duration::from_secs(1);
/// The longest head of an answer.
const HEAD_LEN_MAX: usize = 16 * 1024;
/// The text for a host without an address that may be connected to. The same for one that is not found: names
/// of the operator's network are not to be told from others.
const NO_ADDRESS: &str = "the host's name leads to no public address";
const USER_AGENT: &str = concat!("splitcart/", env!("CARGO_PKG_VERSION"), " (webhooks)");

/// Looks a host's addresses up.
pub type Lookup = Arc<dyn Fn(String) -> BoxFuture<'static, io::Result<Vec<IpAddr>>> + Send + Sync>;

/// The most look-ups at a time. Each takes a thread until the resolver gives up, however long its post waits.
const LOOKUPS_MAX: usize = 32;

/// The system's look-up.
pub fn system_lookup() -> Lookup {
    let places = Arc::new(Semaphore::new(LOOKUPS_MAX));
    Arc::new(move |host| {
        let places = Arc::clone(&places);
        Box::pin(async move {
            let place = places.acquire_owned().await.map_err(io::Error::other)?;
            // In a task, so that the place is taken until the look-up ends, also when its post does not wait.
            let looking = tokio::spawn(async move {
                let found = tokio::net::lookup_host((host, 0)).await;
                drop(place);
                found.map(|it| it.map(|it| it.ip()).collect())
            });
            looking.await.map_err(io::Error::other)?
        })
    })
}

/// Posts to URLs of stores.
#[derive(Clone)]
pub struct Client {
    http: HyperClient<HttpsConnector<Connector>, Full<Bytes>>,
    reach: Reach,
}

/// A post that got no answer, or could not be made.
#[derive(Debug, thiserror::Error)]
pub enum PostError {
    #[error("the URL {0}")]
    Url(#[from] url::NotAnEndpoint),
    #[error("there was no answer within {POST_MAX:?}")]
    TimedOut,
    #[error("{0}")]
    Connect(String),
    #[error("the answer could not be read: {0}")]
    Answer(String),
}

/// Headers that are sent with a body.
#[derive(Clone, Debug)]
pub struct Signed<'a> {
    pub id: &'a str,
    pub timestamp: i64,
    pub signature: &'a str,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("reach", &self.reach)
            .finish_non_exhaustive()
    }
}

impl Client {
    /// A client that looks hosts up by `lookup`. Trusts the certificate authorities of the system.
    pub fn new(reach: Reach, lookup: Lookup) -> Self {
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(tls_config())
            .https_or_http()
            .enable_http1()
            .wrap_connector(Connector { reach, lookup });
        let http = HyperClient::builder(TokioExecutor::new())
            .pool_max_idle_per_host(0)
            .http1_max_buf_size(HEAD_LEN_MAX)
            .build(connector);
        Self { http, reach }
    }

    /// Posts JSON, and returns the status of the answer.
    ///
    /// # Errors
    /// There was no answer in time.
    pub async fn post(
        &self,
        to: &str,
        body: String,
        signed: &Signed<'_>,
    ) -> Result<u16, PostError> {
        let request = request(url::parse(to, self.reach)?.as_str(), body, signed)?;
        let answer = tokio::time::timeout(POST_MAX, self.http.request(request))
            .await
            .map_err(|_| PostError::TimedOut)?
            .map_err(|error| told(&error))?;
        let status = answer.status().as_u16();
        read_some(answer).await;
        Ok(status)
    }
}

fn request(to: &str, body: String, signed: &Signed<'_>) -> Result<Request<Full<Bytes>>, PostError> {
    Request::post(to)
        .header(header::CONTENT_TYPE, "application/json")
        .header(header::USER_AGENT, USER_AGENT)
        .header(standardwebhooks::HEADER_WEBHOOK_ID, signed.id)
        .header(standardwebhooks::HEADER_WEBHOOK_TIMESTAMP, signed.timestamp)
        .header(standardwebhooks::HEADER_WEBHOOK_SIGNATURE, signed.signature)
        .body(Full::from(body))
        .map_err(|_| url::NotAnEndpoint::Malformed.into())
}

/// Reads the beginning of an answer's body: many servers expect that, and nothing depends on it.
async fn read_some(answer: Response<Incoming>) {
    let mut body = answer.into_body();
    let mut len = 0;
    let read = async {
        while let Some(Ok(frame)) = body.frame().await {
            len += frame.data_ref().map_or(0, Bytes::len);
            if len >= ANSWER_LEN_MAX {
                return;
            }
        }
    };
    drop(tokio::time::timeout(ANSWER_WAIT_MAX, read).await);
}

/// The error in words for the store: what happened to the connection, and no address.
fn told(error: &hyper_util::client::legacy::Error) -> PostError {
    let mut innermost: &dyn std::error::Error = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    let text = innermost.to_string();
    if error.is_connect() {
        PostError::Connect(text)
    } else {
        PostError::Answer(text)
    }
}

fn tls_config() -> ClientConfig {
    let mut roots = RootCertStore::empty();
    let found = rustls_native_certs::load_native_certs();
    roots.add_parsable_certificates(found.certs);
    if roots.is_empty() {
        tracing::warn!(
            "this system has no certificate authorities, so no webhook can be sent by https: install them \
             (ca-certificates)"
        );
    }
    ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("the provider supports the versions of TLS")
        .with_root_certificates(roots)
        .with_no_client_auth()
}

/// Connects to hosts whose addresses may be connected to.
#[derive(Clone)]
struct Connector {
    reach: Reach,
    lookup: Lookup,
}

impl Service<Uri> for Connector {
    type Response = TokioIo<TcpStream>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Self::Response>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        Box::pin(self.clone().connect(uri))
    }
}

impl Connector {
    async fn connect(self, uri: Uri) -> io::Result<TokioIo<TcpStream>> {
        let host = uri.host().unwrap_or_default();
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let is_https = uri.scheme_str() == Some("https");
        let port = uri.port_u16().unwrap_or(if is_https { 443 } else { 80 });
        // An address in a URL goes the same way as those that a name leads to.
        let addresses = match host.parse::<IpAddr>() {
            Ok(address) => vec![address],
            Err(_) => (self.lookup)(host.to_owned())
                .await
                .map_err(|_| io::Error::other(NO_ADDRESS))?,
        };
        let mut last = io::Error::other(NO_ADDRESS);
        let allowed = addresses.into_iter().filter(|it| self.reach.allows(*it));
        for address in allowed {
            let connecting = TcpStream::connect(SocketAddr::new(address, port));
            match tokio::time::timeout(CONNECT_MAX, connecting).await {
                Ok(Ok(stream)) => return Ok(TokioIo::new(stream)),
                Ok(Err(error)) => {
                    last = io::Error::other(format!("can't connect: {}", error.kind()));
                }
                Err(_) => last = io::Error::other("can't connect: no answer"),
            }
        }
        Err(last)
    }
}
