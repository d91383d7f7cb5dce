//! `X-Forwarded-For`, and the list of proxies that are trusted.

use std::net::{IpAddr, SocketAddr};

use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};
use splitcart::{
    config::Proxy,
    http::rate_limit::{client_address::client_address, key::counted_together},
};

use crate::fuzz_support::{self, fuzz};

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const WORDS: &[&str] = &[
    ",",
    "\n",
    "10.0.0.1",
    "fd00::1",
    "::ffff:10.0.0.2",
    "203.0.113.7",
    "[2001:db8::7]:443",
    ":80",
    "unknown",
    " ",
    "%eth0",
    "0x7f",
    "/8",
    "256",
    "::",
    "[",
    "]",
];

fuzz!("addresses", WORDS, check);

/// Each line is a header. The answer is the peer or an address in the headers; headers of a peer that
/// is not trusted are ignored.
fn check(bytes: &[u8]) {
    drop(Proxy::try_from(String::from_utf8_lossy(bytes).into_owned()));
    let proxies = ["10.0.0.0/8", "fd00::/8"].map(|it| Proxy::try_from(it.to_owned()).unwrap());
    let (near, far): (IpAddr, IpAddr) =
        ("10.0.0.9".parse().unwrap(), "198.51.100.1".parse().unwrap());
    let headers = headers(bytes);
    assert_eq!(client_address(far, &headers, &proxies), far);
    assert_eq!(client_address(near, &headers, &[]), near);
    let client = client_address(near, &headers, &proxies);
    counted_together(client);
    if client == near {
        return;
    }
    let text: Vec<_> = headers
        .get_all(FORWARDED_FOR)
        .map(|value| value.to_str().unwrap_or(""))
        .collect();
    let said = text
        .iter()
        .flat_map(|value| value.split(','))
        .map(str::trim);
    assert!(
        said.filter_map(address).any(|it| it == client),
        "{client} is in no header"
    );
    if proxies.iter().any(|proxy| proxy.contains(client)) {
        return;
    }
    // Addresses that a client puts before those of its proxies change nothing, in a header of their own
    // or in the same one.
    for lie in ["203.0.113.250", "garbage", "10.0.0.1", ""] {
        let mut apart = HeaderMap::new();
        let mut joined = HeaderMap::new();
        apart.append(FORWARDED_FOR, HeaderValue::from_static(lie));
        for (index, value) in headers.get_all(FORWARDED_FOR).enumerate() {
            apart.append(FORWARDED_FOR, value.clone());
            let before = if index == 0 {
                [lie.as_bytes(), b", "].concat()
            } else {
                Vec::new()
            };
            let longer = [&before[..], value.as_bytes()].concat();
            joined.append(FORWARDED_FOR, HeaderValue::from_bytes(&longer).unwrap());
        }
        assert_eq!(client_address(near, &apart, &proxies), client, "{lie}");
        assert_eq!(client_address(near, &joined, &proxies), client, "{lie}");
    }
}

fn headers(bytes: &[u8]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for line in bytes.split(|byte| *byte == b'\n') {
        if let Ok(value) = HeaderValue::from_bytes(line) {
            headers.append(FORWARDED_FOR, value);
        }
    }
    headers
}

fn address(text: &str) -> Option<IpAddr> {
    let address = text
        .parse()
        .or_else(|_| text.parse::<SocketAddr>().map(|it| it.ip()));
    address.ok().map(|it: IpAddr| it.to_canonical())
}
