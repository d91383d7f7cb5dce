//! The URLs that an endpoint may have.

use std::net::IpAddr;

use url::{Host, Url};

use crate::domain::webhook::URL_LEN_MAX;

use super::address::Reach;

/// The reason for which an endpoint can't have a URL, as a clause.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotAnEndpoint {
    #[error(
        "must be a URL of at most {URL_LEN_MAX} characters, such as \"https://example.com/hooks\""
    )]
    Malformed,
    #[error("must begin with https://")]
    NotHttps,
    #[error("must have no user name or password: requests are signed instead")]
    HasCredentials,
    #[error("must have no fragment (#…): it would not be sent")]
    HasFragment,
    #[error("must lead to a public address")]
    NotPublic,
}

/// Parses the URL of an endpoint. A host name is not resolved: its addresses are checked at each connection.
///
/// # Errors
/// The first reason against it.
pub fn parse(text: &str, reach: Reach) -> Result<Url, NotAnEndpoint> {
    if text.chars().count() > URL_LEN_MAX || text.chars().any(char::is_control) {
        return Err(NotAnEndpoint::Malformed);
    }
    let url = Url::parse(text).map_err(|_| NotAnEndpoint::Malformed)?;
    match (url.scheme(), reach) {
        ("https", _) | ("http", Reach::Everything) => {}
        _ => return Err(NotAnEndpoint::NotHttps),
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(NotAnEndpoint::HasCredentials);
    }
    if url.fragment().is_some() {
        return Err(NotAnEndpoint::HasFragment);
    }
    let is_within_reach = match url.host().ok_or(NotAnEndpoint::Malformed)? {
        Host::Ipv4(address) => reach.allows(IpAddr::V4(address)),
        Host::Ipv6(address) => reach.allows(IpAddr::V6(address)),
        Host::Domain(name) => {
            let name = name.trim_end_matches('.');
            let is_local = name == "localhost" || name.ends_with(".localhost");
            reach == Reach::Everything || !is_local
        }
    };
    if is_within_reach {
        Ok(url)
    } else {
        Err(NotAnEndpoint::NotPublic)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_is_a_public_url_of_https() {
        for text in [
            "https://example.com",
            "https://example.com:8443/hooks?store=1",
            "https://8.8.8.8/hooks",
            "https://[2606:4700:4700::1111]/hooks",
        ] {
            assert!(parse(text, Reach::Public).is_ok(), "{text}");
        }
        let long = format!("https://example.com/{}", "x".repeat(URL_LEN_MAX));
        for (text, problem) in [
            ("", NotAnEndpoint::Malformed),
            ("example.com", NotAnEndpoint::Malformed),
            ("https://", NotAnEndpoint::Malformed),
            ("https://example.com/\n", NotAnEndpoint::Malformed),
            (&long, NotAnEndpoint::Malformed),
            ("http://example.com", NotAnEndpoint::NotHttps),
            ("ftp://example.com", NotAnEndpoint::NotHttps),
            ("file:///etc/passwd", NotAnEndpoint::NotHttps),
            ("https://user@example.com", NotAnEndpoint::HasCredentials),
            ("https://:word@example.com", NotAnEndpoint::HasCredentials),
            ("https://example.com/#here", NotAnEndpoint::HasFragment),
            ("https://localhost/", NotAnEndpoint::NotPublic),
            ("https://api.localhost./", NotAnEndpoint::NotPublic),
            ("https://127.0.0.1/", NotAnEndpoint::NotPublic),
            // The same address in other notations.
            ("https://2130706433/", NotAnEndpoint::NotPublic),
            ("https://0x7f.1/", NotAnEndpoint::NotPublic),
            ("https://0177.0.0.1/", NotAnEndpoint::NotPublic),
            ("https://[::1]/", NotAnEndpoint::NotPublic),
            ("https://[::ffff:10.0.0.1]/", NotAnEndpoint::NotPublic),
            ("https://169.254.169.254/", NotAnEndpoint::NotPublic),
        ] {
            assert_eq!(parse(text, Reach::Public), Err(problem), "{text}");
        }
    }

    #[test]
    fn private_addresses_and_http_need_the_setting() {
        for text in [
            "http://127.0.0.1:8080/",
            "http://localhost/",
            "https://10.0.0.1/",
        ] {
            assert!(parse(text, Reach::Everything).is_ok(), "{text}");
        }
        let refused = parse("ftp://127.0.0.1/", Reach::Everything);
        assert_eq!(refused, Err(NotAnEndpoint::NotHttps));
    }
}
