//! Warnings about settings that can be used and are likely to be a mistake.

use std::net::IpAddr;

use super::{Config, Proxy, TokenKeys};

/// A setting that is likely to be a mistake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    pub setting: &'static str,
    pub text: String,
}

impl Config {
    /// One for each such setting.
    pub fn warnings(&self) -> Vec<Warning> {
        let mut warnings = Vec::new();
        let mut warn = |setting, text: String| warnings.push(Warning { setting, text });
        if self.auth.has_short_secret() {
            warn(
                "auth.hs256_secret",
                "auth.hs256_secret is shorter than 32 bytes: anybody with one token can find it by trial, and \
                 then sign others; set SPLITCART_AUTH_HS256_SECRET to what `openssl rand -hex 32` prints"
                    .to_owned(),
            );
        }
        if matches!(self.auth.token_keys(), TokenKeys::JwksFile(_)) && self.auth.audience.is_empty()
        {
            warn(
                "auth.audience",
                "auth.jwks_file is set and auth.audience is not: what the same issuer signs for \
                 other applications is taken here, too; set SPLITCART_AUTH_AUDIENCE"
                    .to_owned(),
            );
        }
        if is_public(self.ops.addr.ip()) {
            warn(
                "ops.addr",
                format!(
                    "ops.addr is {}, and needs no authentication: make sure that only your \
                     monitoring can reach it, or set SPLITCART_OPS_ADDR to a private address",
                    self.ops.addr
                ),
            );
        }
        if self.http.trusted_proxies.iter().any(Proxy::is_vast) {
            warn(
                "http.trusted_proxies",
                "http.trusted_proxies contains a network that is open to strangers: anybody in it may \
                 claim any address, so limits per address do not hold; name the addresses of your proxies in \
                 SPLITCART_HTTP_TRUSTED_PROXIES"
                    .to_owned(),
            );
        }
        let (left_ms, needed_ms) = (self.http.serve_on_s_max() * 1000, self.request_ms_max());
        if left_ms < needed_ms {
            warn(
                "http.drain_s_max",
                format!(
                    "a stop leaves requests in progress {left_ms} ms (three quarters of http.drain_s_max, less \
                     http.drain_delay_s), and a checkout may take {needed_ms} ms (queue_wait_ms_max, \
                     transaction_ms_max and commit_ms_max): raise SPLITCART_HTTP_DRAIN_S_MAX, and the time \
                     after which the process is killed"
                ),
            );
        }
        warnings
    }

    /// The longest time of a checkout that is accepted.
    fn request_ms_max(&self) -> u64 {
        self.queue_wait_ms_max + self.transaction_ms_max + self.commit_ms_max
    }
}

/// True if an address may be reached from anywhere; the unspecified address may.
fn is_public(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(v4) => !(v4.is_loopback() || v4.is_private() || v4.is_link_local()),
        IpAddr::V6(v6) => !(v6.is_loopback() || v6.is_unique_local() || v6.is_unicast_link_local()),
    }
}
