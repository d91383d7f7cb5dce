//! TLS to a server: the certificates that are trusted, and the versions of HTTP that are offered.

use std::{io, path::Path, sync::Arc};

use anyhow::{Context, ensure};
use tokio::net::TcpStream;
use tokio_rustls::{
    TlsConnector,
    client::TlsStream,
    rustls::{
        ClientConfig, RootCertStore,
        crypto::ring,
        pki_types::{CertificateDer, ServerName, pem::PemObject},
    },
};

/// See the module. Cloning shares the certificates.
#[derive(Clone)]
pub(super) struct Tls {
    connector: TlsConnector,
    name: ServerName<'static>,
}

impl Tls {
    pub(super) fn of(host: &str, ca: Option<&Path>) -> anyhow::Result<Self> {
        let name = host.trim_start_matches('[').trim_end_matches(']');
        let name = ServerName::try_from(name.to_owned())
            .with_context(|| format!("a certificate can't name {host}"))?;
        let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .context("TLS can't be set up")?
            .with_root_certificates(roots(ca)?)
            .with_no_client_auth();
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Self {
            connector: TlsConnector::from(Arc::new(config)),
            name,
        })
    }

    /// Shakes hands over a new connection.
    pub(super) async fn connect(&self, stream: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        self.connector.connect(self.name.clone(), stream).await
    }
}

fn roots(ca: Option<&Path>) -> anyhow::Result<RootCertStore> {
    let mut roots = RootCertStore::empty();
    if let Some(file) = ca {
        let context = || format!("--ca {} can't be read", file.display());
        for certificate in CertificateDer::pem_file_iter(file).with_context(context)? {
            let added = roots.add(certificate.with_context(context)?);
            added.with_context(context)?;
        }
        ensure!(
            !roots.is_empty(),
            "--ca {} contains no certificate",
            file.display()
        );
    } else {
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        ensure!(
            !roots.is_empty(),
            "this system trusts no certificate; name a file of those to trust with --ca"
        );
    }
    Ok(roots)
}
