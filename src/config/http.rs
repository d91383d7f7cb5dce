//! `[http]`: the public listener, and the proxies that it trusts.

use std::{
    net::{IpAddr, SocketAddr},
    path::{Path, PathBuf},
};

use ipnet::IpNet;
use serde::Deserialize;

/// `[http]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Http {
    pub addr: SocketAddr,
    pub workers: usize,
    pub drain_delay_s: u64,
    pub drain_s_max: u64,
    pub head_ms_max: u64,
    pub keep_alive_ms: u64,
    pub answer_ms_max: u64,
    pub connections_per_worker: usize,
    pub streams_max: usize,
    pub bodies_mb_max: usize,
    pub h2c: bool,
    pub tls_cert_file: PathBuf,
    pub tls_key_file: PathBuf,
    pub cors_origins: Vec<Origin>,
    pub trusted_proxies: Vec<Proxy>,
    pub docs: bool,
}

/// The protocol of the public listener.
#[derive(Clone, Copy, Debug)]
pub enum Protocol<'a> {
    /// HTTP/1.1 without TLS.
    Plain,
    /// HTTP/1.1, or HTTP/2 for clients that begin with it, without TLS.
    PlainOrH2c,
    /// HTTP/1.1 or HTTP/2 under TLS, as the client chooses.
    Tls {
        /// The certificate and its chain, as PEM.
        cert_file: &'a Path,
        /// The certificate's private key, as PEM.
        key_file: &'a Path,
    },
}

impl Http {
    /// The longest time that requests in progress may take after the delay of a stop: what remains of
    /// `http.drain_s_max`, less a quarter for the steps that follow.
    pub fn serve_on_s_max(&self) -> u64 {
        let afterwards = self.drain_s_max.div_ceil(4);
        self.drain_s_max
            .saturating_sub(self.drain_delay_s + afterwards)
    }

    /// The protocol that these settings choose.
    pub fn protocol(&self) -> Protocol<'_> {
        if !self.tls_cert_file.as_os_str().is_empty() {
            Protocol::Tls {
                cert_file: &self.tls_cert_file,
                key_file: &self.tls_key_file,
            }
        } else if self.h2c {
            Protocol::PlainOrH2c
        } else {
            Protocol::Plain
        }
    }

    /// Replaces the protocol by plain HTTP, whatever was configured.
    pub fn speak_plainly(&mut self) {
        self.tls_cert_file = PathBuf::new();
        self.tls_key_file = PathBuf::new();
    }
}

/// A web page's origin, such as `https://shop.example` or `http://localhost:5173`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Origin(String);

impl Origin {
    /// The origin as browsers send it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Origin {
    type Error = String;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let host = ["http://", "https://"]
            .iter()
            .find_map(|scheme| text.strip_prefix(scheme));
        let is_host = |host: &str| {
            let letter = |byte: u8| {
                byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-._:[]".contains(&byte)
            };
            !host.is_empty() && host.bytes().all(letter)
        };
        if host.is_some_and(is_host) {
            Ok(Self(text))
        } else {
            Err(format!(
                "\"{text}\" is not an origin: write it as browsers send it, in lower \
                 case and without a path, such as https://shop.example"
            ))
        }
    }
}

/// A proxy whose X-Forwarded-For is believed: a network such as `10.0.0.0/8`, or one address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Proxy(IpNet);

impl Proxy {
    /// True if the network is so large that it contains foreign hosts.
    pub fn is_vast(&self) -> bool {
        match self.0 {
            IpNet::V4(net) => net.prefix_len() < 8,
            IpNet::V6(net) => net.prefix_len() < 7,
        }
    }

    /// True if the address belongs to this proxy.
    pub fn contains(&self, address: IpAddr) -> bool {
        self.0.contains(&address)
    }
}

impl TryFrom<String> for Proxy {
    type Error = String;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let one = || text.parse::<IpAddr>().map(IpNet::from);
        text.parse::<IpNet>()
            .or_else(|_| one())
            .map(Self)
            .map_err(|_| {
                format!(
                    "\"{text}\" is neither an address nor a network such as \
                 10.0.0.0/8"
                )
            })
    }
}
