//! Settings that can be used and are likely to be a mistake.

use std::net::IpAddr;

use super::{Config, Proxy};

impl Config {
    /// A sentence for each.
    pub fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        if self.auth.has_short_secret() {
            warnings.push(
                "auth.hs256_secret is shorter than 32 bytes: who has one token can find it out, and then \
                 sign others; set SPLITCART_AUTH_HS256_SECRET to what `openssl rand -hex 32` prints"
                    .to_owned(),
            );
        }
        if is_public(self.ops.addr.ip()) {
            warnings.push(format!(
                "ops.addr is {}, and nobody has to say who they are there: see to it that only your \
                 monitoring reaches it, or set SPLITCART_OPS_ADDR to a private address",
                self.ops.addr
            ));
        }
        if self.http.trusted_proxies.iter().any(Proxy::is_vast) {
            warnings.push(
                "http.trusted_proxies has a network that strangers are in: whoever is in it may claim any \
                 address, so limits per address do not hold; name the addresses of your proxies in \
                 SPLITCART_HTTP_TRUSTED_PROXIES"
                    .to_owned(),
            );
        }
        warnings
    }
}

/// Whether an address may be reached from anywhere; one that stands for all of the machine's may.
fn is_public(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(it) => !(it.is_loopback() || it.is_private() || it.is_link_local()),
        IpAddr::V6(it) => !(it.is_loopback() || it.is_unique_local() || it.is_unicast_link_local()),
    }
}
