//! The certificate of the public listener, which may be replaced while we run.

use std::{path::Path, sync::Arc};

use chrono::{DateTime, TimeDelta, Utc};
use prometheus_client::metrics::gauge::Gauge;
use rustls::{
    ServerConfig,
    crypto::{CryptoProvider, ring},
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};

use super::watched_file::{self, Current, WatchedFiles};

const SETTINGS: &str = "http.tls_cert_file with http.tls_key_file";
/// A certificate with less time left is warned of.
const EXPIRES_SOON: TimeDelta = TimeDelta::days(14);

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
    WatchedFiles::open(SETTINGS, paths, move |files| {
        let certified = parse(&files[0], &files[1], &provider)?;
        report_validity(&certified, &not_after);
        Ok(certified)
    })
}

/// The time at which a certificate ends, and a warning if that is soon or it is out of its time.
#[derive(Clone, Debug)]
pub struct Validity {
    pub end: Option<DateTime<Utc>>,
    pub warning: Option<String>,
}

/// Reads the certificate and its key as [`open`] does, and looks at the certificate's time.
///
/// # Errors
/// The same.
pub fn look(cert_file: &Path, key_file: &Path) -> Result<Validity, watched_file::Error> {
    let provider = ring::default_provider();
    let paths = vec![cert_file.to_owned(), key_file.to_owned()];
    let files = WatchedFiles::open(SETTINGS, paths, move |files| {
        parse(&files[0], &files[1], &provider)
    })?;
    let certified = files.current().borrow().clone();
    let validity = certified.cert.first().and_then(validity_of);
    Ok(Validity {
        end: validity.map(|(_, end)| end),
        warning: warning_about(validity),
    })
}

fn warning_about(validity: Option<(DateTime<Utc>, DateTime<Utc>)>) -> Option<String> {
    match validity {
        Some((begin, end)) => about_its_time(begin, end),
        None => {
            Some("http.tls_cert_file: it can't be told when the certificate expires".to_owned())
        }
    }
}

fn report_validity(certified: &CertifiedKey, not_after: &Gauge) {
    let validity = certified.cert.first().and_then(validity_of);
    if let Some((_, end)) = validity {
        not_after.set(end.timestamp());
    }
    if let Some(warning) = warning_about(validity) {
        tracing::warn!("{warning}");
    }
}

fn parse(chain: &[u8], key: &[u8], provider: &CryptoProvider) -> Result<CertifiedKey, String> {
    let chain = CertificateDer::pem_slice_iter(chain)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| format!("the certificate is no PEM: {error}"))?;
    if chain.is_empty() {
        return Err("there is no certificate in the file".to_owned());
    }
    let key = PrivateKeyDer::from_pem_slice(key)
        .map_err(|error| format!("the key is no PEM: {error}"))?;
    CertifiedKey::from_der(chain, key, provider).map_err(|error| match error {
        rustls::Error::InconsistentKeys(_) => {
            "certificate and key can't be used together: the key is another certificate's; were the files \
             of two mixed up?"
                .to_owned()
        }
        error => format!("certificate and key can't be used together: {error}"),
    })
}

/// From when on until when it is good.
fn validity_of(certificate: &CertificateDer<'_>) -> Option<(DateTime<Utc>, DateTime<Utc>)> {
    let (_, certificate) = x509_parser::parse_x509_certificate(certificate).ok()?;
    let validity = certificate.validity();
    let time = |at: i64| DateTime::from_timestamp(at, 0);
    Some((
        time(validity.not_before.timestamp())?,
        time(validity.not_after.timestamp())?,
    ))
}

/// A warning about a certificate that has expired, soon expires or is not valid yet. The certificate is
/// used all the same: clients decide.
fn about_its_time(begin: DateTime<Utc>, end: DateTime<Utc>) -> Option<String> {
    let now = Utc::now();
    let said = if now > end {
        format!("expired on {end}")
    } else if now < begin {
        format!("is not good before {begin}")
    } else if end - now < EXPIRES_SOON {
        format!("expires on {end}")
    } else {
        return None;
    };
    Some(format!(
        "the certificate in http.tls_cert_file {said}, and clients refuse one out of its time: put a new one \
         (with its key) in its place, which is taken without a restart"
    ))
}

/// The listener's configuration. The protocols (HTTP/2, HTTP/1.1) are offered by the HTTP server.
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

/// Presents the current certificate to every client, whatever host the client names.
#[derive(Debug)]
struct AtPresent(Current<CertifiedKey>);

impl ResolvesServerCert for AtPresent {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.borrow().clone())
    }
}
