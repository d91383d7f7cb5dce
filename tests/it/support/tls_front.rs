//! TLS in front of a server on 127.0.0.1 that does not speak it.

use std::{fs, sync::Arc};

use rustls::{
    ServerConfig,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};
use tokio::{io::copy_bidirectional, net::TcpStream, task::JoinHandle};
use tokio_rustls::TlsAcceptor;

use super::{authority::Authority, background};

/// Ends when dropped.
pub struct TlsFront {
    pub port: u16,
    task: JoinHandle<()>,
}

impl TlsFront {
    /// Shows the authority's certificate for servers, and passes everything on to this port.
    pub async fn start(authority: &Authority, behind: u16) -> Self {
        let read = |name| fs::read(authority.file(name)).unwrap();
        let certificate = CertificateDer::from_pem_slice(&read("server.pem")).unwrap();
        let key = PrivateKeyDer::from_pem_slice(&read("server.key")).unwrap();
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate], key)
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = background::listen().await;
        let port = listener.local_addr().unwrap().port();
        let task = background::spawn(async move {
            while let Ok((outside, _)) = listener.accept().await {
                let acceptor = acceptor.clone();
                tokio::spawn(async move {
                    let mut inside = TcpStream::connect(("127.0.0.1", behind)).await?;
                    let mut outside = acceptor.accept(outside).await?;
                    copy_bidirectional(&mut outside, &mut inside).await
                });
            }
        });
        Self { port, task }
    }
}

impl Drop for TlsFront {
    fn drop(&mut self) {
        self.task.abort();
    }
}
