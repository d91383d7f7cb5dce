//! TLS and HTTP/2: the server speaks the configured protocols.

use std::{fs, path::PathBuf, sync::Arc};

use http_body_util::{BodyExt, Empty};
use hyper_rustls::HttpsConnectorBuilder;
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use reqwest::{Url, Version, header::HeaderMap};
use rustls::{ClientConfig, RootCertStore, crypto::ring, pki_types::CertificateDer};
use tempfile::TempDir;

use crate::support::{Server, World, server::refusal_to_start, wait};

/// A self-signed certificate for this machine, and its files.
pub(crate) struct Certificate {
    dir: TempDir,
    der: CertificateDer<'static>,
}

impl Certificate {
    pub(crate) fn new() -> Self {
        let mut new = Self {
            dir: TempDir::new().unwrap(),
            der: CertificateDer::from(Vec::new()),
        };
        new.renew();
        new
    }

    /// Writes another certificate to the same files.
    fn renew(&mut self) {
        let names = ["localhost".to_owned(), "127.0.0.1".to_owned()];
        let made = rcgen::generate_simple_self_signed(names).unwrap();
        fs::write(self.file("key"), made.signing_key.serialize_pem()).unwrap();
        fs::write(self.file("cert"), made.cert.pem()).unwrap();
        self.der = made.cert.der().clone();
    }

    fn file(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn name(&self, name: &str) -> String {
        self.file(name).to_str().unwrap().to_owned()
    }

    async fn world(&self) -> World {
        World::with_settings(&[
            ("SPLITCART_HTTP_TLS_CERT_FILE", &self.name("cert")),
            ("SPLITCART_HTTP_TLS_KEY_FILE", &self.name("key")),
            ("SPLITCART_RELOAD_FILES_MS", "10"),
        ])
        .await
    }
}

/// The versions of HTTP that a client speaks.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Speaks {
    Http1,
    Http2,
    Either,
}

/// Sends `GET /api/v1/cart` without a token; returns the version that was spoken, the status and the
/// headers.
async fn ask(
    url: &str,
    speaks: Speaks,
    trusted: Option<&CertificateDer<'static>>,
) -> Result<(Version, u16, HeaderMap), String> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(trusted.cloned());
    let tls = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let connector = HttpsConnectorBuilder::new()
        .with_tls_config(tls)
        .https_or_http();
    let connector = match speaks {
        Speaks::Http1 => connector.enable_http1().build(),
        Speaks::Http2 => connector.enable_http2().build(),
        Speaks::Either => connector.enable_all_versions().build(),
    };
    let client = Client::builder(TokioExecutor::new())
        .http2_only(speaks == Speaks::Http2)
        .build::<_, Empty<&[u8]>>(connector);
    let url = format!("{url}/api/v1/cart").parse().unwrap();
    let reply = client
        .get(url)
        .await
        .map_err(|error| format!("{error:?}"))?;
    let (version, status) = (reply.version(), reply.status().as_u16());
    let headers = reply.headers().clone();
    let body = reply.into_body().collect().await.unwrap().to_bytes();
    assert!(body.starts_with(b"{\"error\":"), "{body:?}");
    Ok((version, status, headers))
}

pub(crate) fn https(server: &Server) -> String {
    let mut url: Url = server.http.parse().unwrap();
    url.set_host(Some("localhost")).unwrap();
    url.as_str()
        .trim_end_matches('/')
        .replacen("http", "https", 1)
}

#[tokio::test]
async fn under_tls_the_client_chooses_the_version() {
    let certificate = Certificate::new();
    let world = certificate.world().await;
    let url = https(&world.server);
    for (speaks, spoken) in [
        (Speaks::Http1, Version::HTTP_11),
        (Speaks::Http2, Version::HTTP_2),
        (Speaks::Either, Version::HTTP_2),
    ] {
        let (version, status, headers) = ask(&url, speaks, Some(&certificate.der)).await.unwrap();
        assert_eq!((version, status), (spoken, 401));
        assert_eq!(headers["strict-transport-security"], "max-age=31536000");
        assert_eq!(headers["www-authenticate"], "Bearer");
        assert!(headers.contains_key("x-request-id"));
    }
    assert!(
        ask(&url, Speaks::Either, None).await.is_err(),
        "nobody vouches for it"
    );
    let plain = ask(&world.server.http, Speaks::Http1, None).await;
    assert!(plain.is_err(), "plain HTTP is not answered: {plain:?}");
    assert!(
        world
            .server
            .log()
            .join("\n")
            .contains("listening on https://")
    );
}

/// A client that connects and never shakes hands delays only itself.
#[tokio::test]
async fn silent_handshakes_keep_nobody_out() {
    let certificate = Certificate::new();
    let world = World::with_settings(&[
        ("SPLITCART_HTTP_TLS_CERT_FILE", &certificate.name("cert")),
        ("SPLITCART_HTTP_TLS_KEY_FILE", &certificate.name("key")),
        ("SPLITCART_HTTP_WORKERS", "1"),
        ("SPLITCART_HTTP_HEAD_MS_MAX", "600000"),
    ])
    .await;
    let addr = world.server.http.strip_prefix("http://").unwrap();
    let silent = (0..400).map(|_| tokio::net::TcpStream::connect(addr));
    let silent = futures_util::future::try_join_all(silent).await.unwrap();

    let url = https(&world.server);
    let asked = ask(&url, Speaks::Either, Some(&certificate.der));
    let answer = tokio::time::timeout(std::time::Duration::from_secs(20), asked).await;

    assert_eq!(answer.expect("an answer in time").unwrap().1, 401);
    drop(silent);
}

#[tokio::test]
async fn a_certificate_is_renewed_without_a_restart() {
    let mut certificate = Certificate::new();
    let world = certificate.world().await;
    let url = https(&world.server);
    let old = certificate.der.clone();
    assert!(ask(&url, Speaks::Either, Some(&old)).await.is_ok());

    certificate.renew();
    wait::until("the new one is shown", async || {
        ask(&url, Speaks::Either, Some(&certificate.der))
            .await
            .is_ok()
    })
    .await;
    assert!(ask(&url, Speaks::Either, Some(&old)).await.is_err());

    fs::write(certificate.file("cert"), "no certificate").unwrap();
    wait::until("it is complained of", async || {
        let log = world.server.log().join("\n");
        log.contains("there is no certificate in the file")
    })
    .await;
    assert!(
        ask(&url, Speaks::Either, Some(&certificate.der))
            .await
            .is_ok()
    );
}

#[tokio::test]
async fn http_2_without_tls_is_spoken_where_it_is_configured() {
    let world = World::with_settings(&[("SPLITCART_HTTP_H2C", "true")]).await;
    for (speaks, spoken) in [
        (Speaks::Http2, Version::HTTP_2),
        (Speaks::Http1, Version::HTTP_11),
    ] {
        let (version, status, headers) = ask(&world.server.http, speaks, None).await.unwrap();
        assert_eq!((version, status), (spoken, 401));
        assert!(!headers.contains_key("strict-transport-security"));
    }
    let world = World::start().await;
    let refused = ask(&world.server.http, Speaks::Http2, None).await;
    assert!(refused.is_err(), "not by default: {refused:?}");
    assert!(ask(&world.server.http, Speaks::Http1, None).await.is_ok());
}

#[test]
fn files_that_do_not_belong_together_stop_the_start() {
    let (one, other) = (Certificate::new(), Certificate::new());
    for (cert, key, problem) in [
        (
            one.name("cert"),
            other.name("key"),
            "can't be used together",
        ),
        (
            one.name("key"),
            one.name("key"),
            "there is no certificate in the file",
        ),
        (one.name("cert"), one.name("cert"), "the key is no PEM"),
        (one.name("cert"), one.name("none"), "none"),
    ] {
        let told = refusal_to_start(&[
            ("SPLITCART_HTTP_TLS_CERT_FILE", &cert),
            ("SPLITCART_HTTP_TLS_KEY_FILE", &key),
        ]);
        assert!(told.contains(problem), "{problem}: {told}");
        assert!(
            told.contains("http.tls_cert_file with http.tls_key_file can't be used"),
            "{told}"
        );
    }
}

/// Regression: the server started without a warning, and every client refused the certificate.
#[tokio::test]
async fn a_certificate_that_has_expired_is_warned_of_and_shown_in_the_metrics() {
    let certificate = Certificate::new();
    let names = ["localhost".to_owned()];
    let key = rcgen::KeyPair::generate().unwrap();
    for (not_after, warned) in [(2020, true), (4000, false)] {
        let mut wanted = rcgen::CertificateParams::new(names.clone()).unwrap();
        wanted.not_before = rcgen::date_time_ymd(2019, 1, 1);
        wanted.not_after = rcgen::date_time_ymd(not_after, 1, 1);
        let made = wanted.self_signed(&key).unwrap();
        fs::write(certificate.file("key"), key.serialize_pem()).unwrap();
        fs::write(certificate.file("cert"), made.pem()).unwrap();

        let world = certificate.world().await;

        let shown = world
            .server
            .metric("splitcart_tls_certificate_not_after_timestamp")
            .await;
        assert_eq!(shown, wanted.not_after.unix_timestamp() as f64);
        let log = world.server.log().join("\n");
        assert_eq!(log.contains("expired on 2020-01-01"), warned, "{log}");
    }
}
