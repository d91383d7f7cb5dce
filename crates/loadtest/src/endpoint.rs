//! A server's public listener: its address, its name, and how to connect to it.

use std::{
    fmt, io,
    net::{IpAddr, SocketAddr},
    path::Path,
    sync::Arc,
};

use anyhow::{Context, ensure};
use hyper::{
    Uri,
    header::HeaderValue,
    http::uri::{Authority, Scheme},
};
use tokio::net::{TcpSocket, TcpStream, lookup_host};
use tokio_rustls::{
    TlsConnector,
    client::TlsStream,
    rustls::{
        ClientConfig, RootCertStore,
        crypto::ring,
        pki_types::{CertificateDer, ServerName, pem::PemObject},
    },
};

/// See the module. Cloning shares what it trusts.
#[derive(Clone)]
pub(crate) struct Endpoint {
    address: SocketAddr,
    authority: Authority,
    host: HeaderValue,
    tls: Option<Tls>,
}

#[derive(Clone)]
struct Tls {
    connector: TlsConnector,
    name: ServerName<'static>,
}

/// A connection that no request has been sent over.
pub(crate) enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl Endpoint {
    /// HTTP without TLS at this address, which is the name, too.
    pub(crate) fn plain(address: SocketAddr) -> Self {
        let authority = address.to_string();
        Self::new(
            address,
            authority.parse().expect("an address is an authority"),
            None,
        )
    }

    /// The endpoint that a URL such as `https://shop.example:8443` names. Certificates are trusted that
    /// the system trusts, or those of the file `ca` instead.
    ///
    /// # Errors
    /// It is not such a URL, its host has no address, or no certificate is found to be trusted.
    pub(crate) async fn resolve(url: &str, ca: Option<&Path>) -> anyhow::Result<Self> {
        let (scheme, authority) = read_url(url).with_context(|| {
            format!("--url {url} is not such as http://127.0.0.1:8080 or https://shop.example")
        })?;
        let is_tls = scheme == Scheme::HTTPS;
        ensure!(
            is_tls || ca.is_none(),
            "--ca goes with an https URL, and {url} is none"
        );
        let host = authority.host();
        let port = authority.port_u16();
        let port = port.unwrap_or(if is_tls { 443 } else { 80 });
        // An address of IPv6 stands in brackets, which only `lookup_host` of a text takes.
        let address = lookup_host(format!("{host}:{port}"))
            .await
            .with_context(|| format!("can't find {host}"))?
            .next()
            .with_context(|| format!("{host} has no address"))?;
        let tls = is_tls.then(|| Tls::of(host, ca)).transpose()?;
        Ok(Self::new(address, authority, tls))
    }

    fn new(address: SocketAddr, authority: Authority, tls: Option<Tls>) -> Self {
        let host = HeaderValue::from_str(authority.as_str());
        Self {
            address,
            host: host.expect("an authority is visible ASCII"),
            authority,
            tls,
        }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// The value of the header `host`.
    pub(crate) fn host(&self) -> &HeaderValue {
        &self.host
    }

    /// The absolute URL of a path.
    pub(crate) fn url(&self, path: &Uri) -> Uri {
        let scheme = if self.tls.is_some() {
            Scheme::HTTPS
        } else {
            Scheme::HTTP
        };
        Uri::builder()
            .scheme(scheme)
            .authority(self.authority.clone())
            .path_and_query(path.path())
            .build()
            .expect("all parts are given")
    }

    /// Opens a connection, from an address of this machine if one is given.
    pub(crate) async fn connect(&self, local: Option<IpAddr>) -> io::Result<Stream> {
        let stream = match local {
            None => TcpStream::connect(self.address).await?,
            Some(local) => {
                let socket = match local {
                    IpAddr::V4(_) => TcpSocket::new_v4()?,
                    IpAddr::V6(_) => TcpSocket::new_v6()?,
                };
                socket.bind((local, 0).into())?;
                socket.connect(self.address).await?
            }
        };
        stream.set_nodelay(true)?;
        Ok(match &self.tls {
            None => Stream::Plain(stream),
            Some(Tls { connector, name }) => {
                let shaken = connector.connect(name.clone(), stream).await?;
                Stream::Tls(Box::new(shaken))
            }
        })
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Endpoint").field(&self.authority).finish()
    }
}

impl Tls {
    fn of(host: &str, ca: Option<&Path>) -> anyhow::Result<Self> {
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
}

fn roots(ca: Option<&Path>) -> anyhow::Result<RootCertStore> {
    let mut roots = RootCertStore::empty();
    match ca {
        Some(file) => {
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
        }
        None => {
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            ensure!(
                !roots.is_empty(),
                "this system trusts no certificate; name a file of those to trust with --ca"
            );
        }
    }
    Ok(roots)
}

fn read_url(url: &str) -> Option<(Scheme, Authority)> {
    let parts = url.parse::<Uri>().ok()?.into_parts();
    let scheme = parts
        .scheme
        .filter(|scheme| *scheme == Scheme::HTTP || *scheme == Scheme::HTTPS)?;
    let is_bare = parts.path_and_query.is_none_or(|path| path.as_str() == "/");
    let authority = parts.authority.filter(|authority| {
        is_bare && !authority.host().is_empty() && !authority.as_str().contains('@')
    })?;
    Some((scheme, authority))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_url_is_a_scheme_and_a_host_with_or_without_a_port() {
        let endpoint = Endpoint::resolve("http://127.0.0.1:8080/", None)
            .await
            .unwrap();
        assert_eq!(endpoint.host(), "127.0.0.1:8080");
        for (url, port) in [
            ("http://127.0.0.1:8080/", 8080),
            ("http://127.0.0.1", 80),
            ("http://[::1]:81", 81),
            ("https://127.0.0.1:8443", 8443),
            ("https://localhost", 443),
            ("https://[::1]", 443),
        ] {
            // Certificates of the system are none of this test's business.
            let file = tempfile::NamedTempFile::new().unwrap();
            let certificate = rcgen::generate_simple_self_signed(vec!["a".to_owned()]).unwrap();
            std::fs::write(file.path(), certificate.cert.pem()).unwrap();
            let ca = url.starts_with("https").then_some(file.path());
            let endpoint = Endpoint::resolve(url, ca).await.unwrap();
            assert_eq!(endpoint.address().port(), port, "{url}");
        }
        for wrong in [
            "127.0.0.1:80",
            "ftp://a",
            "http://",
            "http://a/api",
            "https://a@b",
        ] {
            let complaint = Endpoint::resolve(wrong, None).await.unwrap_err();
            let complaint = complaint.to_string();
            assert!(complaint.contains(wrong), "{complaint}");
        }
    }

    #[tokio::test]
    async fn certificates_to_trust_are_read_from_a_file_that_has_some() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let complaint = |url: &'static str| {
            let ca = file.path().to_owned();
            async move {
                Endpoint::resolve(url, Some(&ca))
                    .await
                    .unwrap_err()
                    .to_string()
            }
        };
        assert!(
            complaint("https://localhost")
                .await
                .contains("contains no certificate")
        );
        assert!(complaint("http://localhost").await.contains("https URL"));
    }

    #[test]
    fn the_url_of_a_path_is_absolute() {
        let endpoint = Endpoint::plain(([127, 0, 0, 1], 80).into());
        let path = Uri::from_static("/api/v1/cart");
        assert_eq!(endpoint.url(&path), "http://127.0.0.1:80/api/v1/cart");
    }
}
