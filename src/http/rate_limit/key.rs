//! The key that requests are counted by: a user is its id, whatever the store; an address is the
//! client's, where an IPv6 host is its /64.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use actix_web::http::header::HeaderMap;

use crate::config::Proxy;

use super::client_address::client_address;

/// The address that a request counts for.
pub(super) fn address_key(
    peer: Option<SocketAddr>,
    headers: &HeaderMap,
    proxies: &[Proxy],
) -> IpAddr {
    // Without an address there is no TCP, and no client to be distinguished from others.
    let peer = peer.map_or(Ipv4Addr::UNSPECIFIED.into(), |peer| peer.ip());
    counted_together(client_address(peer, headers, proxies))
}

/// The addresses that share a limit: an IPv4 address alone, or the /64 from which an IPv6 host is free to
/// choose its addresses.
pub fn counted_together(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(address) => {
            const HOST: u128 = u64::MAX as u128;
            Ipv6Addr::from_bits(address.to_bits() & !HOST).into()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn the_addresses_of_one_ipv6_network_are_counted_together() {
        let one = counted_together(ip("2001:db8:0:1:aaaa::1"));
        assert_eq!(
            one,
            counted_together(ip("2001:db8:0:1:ffff:ffff:ffff:ffff"))
        );
        assert_ne!(one, counted_together(ip("2001:db8:0:2::1")));
        assert_eq!(counted_together(ip("10.0.0.9")), ip("10.0.0.9"));
    }
}
