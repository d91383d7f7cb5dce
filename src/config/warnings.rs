//! Warnings about settings that can be used and are likely to be a mistake.

use std::net::IpAddr;

use super::{Config, Proxy};

impl Config {
    /// A sentence for each such setting.
    pub fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        if self.auth.has_short_secret() {
            warnings.push(
                "auth.hs256_secret is shorter than 32 bytes: anybody with one token can find it by trial, and \
                 then sign others; set SPLITCART_AUTH_HS256_SECRET to what `openssl rand -hex 32` prints"
                    .to_owned(),
            );
        }
        if is_public(self.ops.addr.ip()) {
            warnings.push(format!(
                "ops.addr is {}, and needs no authentication: make sure that only your \
                 monitoring can reach it, or set SPLITCART_OPS_ADDR to a private address",
                self.ops.addr
            ));
        }
        if self.http.trusted_proxies.iter().any(Proxy::is_vast) {
            warnings.push(
                "http.trusted_proxies contains a network that is open to strangers: anybody in it may \
                 claim any address, so limits per address do not hold; name the addresses of your proxies in \
                 SPLITCART_HTTP_TRUSTED_PROXIES"
                    .to_owned(),
            );
        }
        warnings
    }
}

/// True if an address may be reached from anywhere; the unspecified address may.
fn is_public(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(v4) => !(v4.is_loopback() || v4.is_private() || v4.is_link_local()),
        IpAddr::V6(v6) => !(v6.is_loopback() || v6.is_unique_local() || v6.is_unicast_link_local()),
    }
}
