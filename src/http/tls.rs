//! The certificate of the public listener, which may be replaced while we run.

use std::{path::Path, sync::Arc};

use chrono::{DateTime, Utc};
use prometheus_client::metrics::gauge::Gauge;
use rustls::{
    ServerConfig,
    crypto::{CryptoProvider, ring},
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};

use super::watched_file::{self, Current, WatchedFiles};

/// A certificate that expires within a week is warned of.
const SOON_S: i64 = 7 * 24 * 60 * 60;

/// Reads the certificate (with those that vouch for it) and its key.
///
/// # Errors
/// A file can't be used, or the two do not belong together.
pub fn open(
    cert_file: &Path,
    key_file: &Path,
    not_after: Gauge,
) -> Result<WatchedFiles<CertifiedKey>, watched_file::Error> {
    let provider = ring::default_provider();
    let paths = vec![cert_file.to_owned(), key_file.to_owned()];
    WatchedFiles::open(
        "http.tls_cert_file with http.tls_key_file",
        paths,
        move |files| parse(&files[0], &files[1], &provider, &not_after),
    )
}

fn parse(
    chain: &[u8],
    key: &[u8],
    provider: &CryptoProvider,
    not_after: &Gauge,
) -> Result<CertifiedKey, String> {
    let chain = CertificateDer::pem_slice_iter(chain)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| format!("the certificate is no PEM: {error}"))?;
    if chain.is_empty() {
        return Err("there is no certificate in the file".to_owned());
    }
    let key = PrivateKeyDer::from_pem_slice(key)
        .map_err(|error| format!("the key is no PEM: {error}"))?;
    let first = chain[0].clone();
    let certified = CertifiedKey::from_der(chain, key, provider)
        .map_err(|error| format!("certificate and key can't be used together: {error}"))?;
    if let Some(validity) = validity_of(&first) {
        not_after.set(validity.1);
        warn_of(validity, Utc::now().timestamp());
    } else {
        tracing::warn!("http.tls_cert_file: it can't be told when the certificate expires");
    }
    Ok(certified)
}

/// From when on until when, as Unix time.
fn validity_of(certificate: &[u8]) -> Option<(i64, i64)> {
    let (_, certificate) = x509_parser::parse_x509_certificate(certificate).ok()?;
    let validity = certificate.validity();
    Some((
        validity.not_before.timestamp(),
        validity.not_after.timestamp(),
    ))
}

/// Clients would refuse it, and only they.
fn warn_of((not_before, not_after): (i64, i64), now: i64) {
    let day = |at| DateTime::from_timestamp(at, 0).map_or_else(String::new, |at| at.to_rfc3339());
    if now > not_after {
        tracing::warn!(
            "http.tls_cert_file: the certificate expired at {}; clients refuse it",
            day(not_after)
        );
    } else if now < not_before {
        tracing::warn!(
            "http.tls_cert_file: the certificate is not valid before {}; clients refuse it",
            day(not_before)
        );
    } else if not_after - now < SOON_S {
        tracing::warn!(
            "http.tls_cert_file: the certificate expires soon, at {}",
            day(not_after)
        );
    }
}

/// What the listener needs. The protocols (HTTP/2, HTTP/1.1) are offered by the HTTP server.
///
/// # Errors
/// Never in practice: the provider has all that TLS 1.2 and 1.3 need.
pub fn server_config(certificate: Current<CertifiedKey>) -> Result<ServerConfig, rustls::Error> {
    let builder = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let resolver = Arc::new(AtPresent(certificate));
    Ok(builder
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_cert_resolver(resolver))
}

/// Shows every client the certificate that is there when it comes, whatever host it asks for.
#[derive(Debug)]
struct AtPresent(Current<CertifiedKey>);

impl ResolvesServerCert for AtPresent {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.borrow().clone())
    }
}
