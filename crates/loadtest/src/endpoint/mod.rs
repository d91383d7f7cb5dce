//! A server's public listener: its address, its name, and how to connect to it.

#[cfg(test)]
mod tests;
mod tls;

use std::{
    fmt, io,
    net::{IpAddr, SocketAddr},
    path::Path,
};

use anyhow::{Context, ensure};
use hyper::{
    Uri,
    header::HeaderValue,
    http::uri::{Authority, Scheme},
};
use tokio::net::{TcpSocket, TcpStream, lookup_host};
use tokio_rustls::client::TlsStream;

use self::tls::Tls;

/// See the module. Cloning shares what it trusts.
#[derive(Clone)]
pub(crate) struct Endpoint {
    address: SocketAddr,
    authority: Authority,
    host: HeaderValue,
    tls: Option<Tls>,
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
            Some(tls) => Stream::Tls(Box::new(tls.connect(stream).await?)),
        })
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Endpoint").field(&self.authority).finish()
    }
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
