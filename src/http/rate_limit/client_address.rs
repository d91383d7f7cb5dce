//! The client's address: of the connection itself, or as a trusted proxy reports it.

use std::net::{IpAddr, SocketAddr};

use actix_web::http::header::{HeaderMap, HeaderName};

use crate::config::Proxy;

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The client's address. Each proxy appends the address that has called it, so `X-Forwarded-For` is
/// read from the right for as long as the addresses are of trusted proxies; anything further left may
/// be forged. A value that is not an address leaves the peer's.
pub fn client_address(peer: IpAddr, headers: &HeaderMap, proxies: &[Proxy]) -> IpAddr {
    let peer = peer.to_canonical();
    let trusted = |address| proxies.iter().any(|proxy| proxy.contains(address));
    if !trusted(peer) {
        return peer;
    }
    let values: Vec<_> = headers.get_all(FORWARDED_FOR).collect();
    let mut client = peer;
    for value in values.into_iter().rev() {
        let Ok(value) = value.to_str() else {
            return peer;
        };
        for hop in value.rsplit(',') {
            let Some(address) = parse(hop.trim()) else {
                return peer;
            };
            client = address;
            if !trusted(client) {
                return client;
            }
        }
    }
    client
}

/// Some proxies append the port, too.
fn parse(hop: &str) -> Option<IpAddr> {
    let address = hop.parse().ok();
    let address = address.or_else(|| hop.parse::<SocketAddr>().ok().map(|socket| socket.ip()));
    address.map(|address| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::HeaderValue;

    use super::*;

    const PEER: &str = "10.0.0.9";

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    /// The client of a request through `PEER` with these headers, if 10.0.0.0/8 and `fd00::/8` are
    /// trusted.
    fn client(headers: &[&str]) -> IpAddr {
        let proxies = ["10.0.0.0/8", "fd00::/8"].map(|it| it.to_owned().try_into().unwrap());
        let mut map = HeaderMap::new();
        for value in headers {
            map.append(FORWARDED_FOR, HeaderValue::from_str(value).unwrap());
        }
        client_address(ip(PEER), &map, &proxies)
    }

    #[test]
    fn the_last_address_before_the_trusted_ones_counts() {
        for (headers, counts) in [
            (vec![], PEER),
            (vec!["203.0.113.7"], "203.0.113.7"),
            (vec!["198.51.100.1, 203.0.113.7"], "203.0.113.7"),
            (vec!["198.51.100.1, 203.0.113.7 , 10.1.1.1"], "203.0.113.7"),
            (
                vec!["198.51.100.1", "203.0.113.7", "10.1.1.1,10.1.1.2"],
                "203.0.113.7",
            ),
            // A forged value is not even read.
            (vec!["garbage, 203.0.113.7"], "203.0.113.7"),
            (vec!["10.2.2.2, 10.1.1.1"], "10.2.2.2"),
            (vec!["203.0.113.7:50123"], "203.0.113.7"),
            (vec!["[2001:db8::7]:443, fd00::1"], "2001:db8::7"),
            (vec!["::ffff:203.0.113.7"], "203.0.113.7"),
        ] {
            assert_eq!(client(&headers), ip(counts), "{headers:?}");
        }
    }

    #[test]
    fn a_value_that_is_no_address_leaves_the_peer() {
        for headers in [
            vec!["unknown"],
            vec![""],
            vec!["203.0.113.7,"],
            vec!["203.0.113.7, _hidden"],
            vec!["203.0.113.7 198.51.100.1"],
            vec!["203.0.113.256"],
            vec!["203.0.113.7", "x"],
        ] {
            assert_eq!(client(&headers), ip(PEER), "{headers:?}");
        }
    }

    #[test]
    fn nobody_is_believed_unless_trusted() {
        let mut headers = HeaderMap::new();
        headers.insert(FORWARDED_FOR, HeaderValue::from_static("203.0.113.7"));
        assert_eq!(client_address(ip(PEER), &headers, &[]), ip(PEER));
        let proxies = ["10.0.0.0/24".to_owned().try_into().unwrap()];
        assert_eq!(
            client_address(ip("10.0.1.1"), &headers, &proxies),
            ip("10.0.1.1")
        );
        // A listener on :: sees IPv4 so.
        let mapped = client_address(ip("::ffff:10.0.0.1"), &headers, &proxies);
        assert_eq!(mapped, ip("203.0.113.7"));
    }
}
