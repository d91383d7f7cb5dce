//! The certificate of the public listener, which may be replaced while we run.

use std::{path::Path, sync::Arc};

use rustls::{
    ServerConfig,
    crypto::{CryptoProvider, ring},
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};

use super::watched_file::{self, Current, WatchedFiles};

/// Reads the certificate (with those that vouch for it) and its key.
///
/// # Errors
/// A file can't be used, or the two do not belong together.
pub fn open(
    cert_file: &Path,
    key_file: &Path,
) -> Result<WatchedFiles<CertifiedKey>, watched_file::Error> {
    let provider = ring::default_provider();
    let paths = vec![cert_file.to_owned(), key_file.to_owned()];
    WatchedFiles::open(
        "http.tls_cert_file with http.tls_key_file",
        paths,
        move |files| parse(&files[0], &files[1], &provider),
    )
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
    CertifiedKey::from_der(chain, key, provider)
        .map_err(|error| format!("certificate and key can't be used together: {error}"))
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
