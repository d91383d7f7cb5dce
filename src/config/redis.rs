//! `[redis]`, and the servers that a URL of Redis names: one server, Sentinels that know it, or a cluster.

use std::path::{Path, PathBuf};

use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use url::Url;

use super::{Error, sources::variable_of};

/// The schemes of a single server.
const ONE: [&str; 7] = [
    "redis",
    "rediss",
    "valkey",
    "valkeys",
    "redis+unix",
    "valkey+unix",
    "unix",
];
const ONE_FORM: &str = "redis://:password@host:6379 (rediss:// for TLS)";
const SENTINELS_FORM: &str = "redis+sentinel://:password@host:26379,host:26379/service";
const CLUSTER_FORM: &str = "redis+cluster://:password@host:6379,host:6379";
/// The port of a Sentinel that is named without one.
const SENTINEL_PORT: u16 = 26379;

/// `[redis]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Redis {
    pub url: SecretString,
    pub url_file: PathBuf,
    pub tls_ca_file: PathBuf,
    pub tls_cert_file: PathBuf,
    pub tls_key_file: PathBuf,
    pub sentinel_user: String,
    pub sentinel_password: SecretString,
    pub sentinel_password_file: PathBuf,
    pub timeout_ms: u64,
    pub pause_ms: u64,
}

/// The servers that a URL names. Each URL in it is one of a single server, with the same user and password.
#[derive(Clone, Debug)]
pub enum RedisServers {
    One(SecretString),
    /// Sentinels, at least one, which know the primary of a service.
    Sentinels {
        urls: Vec<SecretString>,
        service: String,
    },
    /// Nodes of a cluster, at least one; they know the others.
    Cluster(Vec<SecretString>),
}

/// The problem of a URL, with the form that it should have.
#[derive(Debug, thiserror::Error)]
#[error("{problem}")]
pub struct MalformedUrl {
    problem: String,
    form: &'static str,
}

impl RedisServers {
    /// Reads a URL.
    ///
    /// # Errors
    /// It is malformed. The error does not quote it, because it may contain a password.
    pub fn of(url: &SecretString) -> Result<Self, MalformedUrl> {
        let url = url.expose_secret();
        if url.is_empty() {
            return Err(malformed(ONE_FORM, "it is not set"));
        }
        let Some((scheme, rest)) = url.split_once("://") else {
            return Err(malformed(ONE_FORM, "this is not a URL"));
        };
        match scheme.split_once('+') {
            Some((base, "sentinel")) if is_tcp(base) => sentinels(base, rest),
            Some((base, "cluster")) if is_tcp(base) => cluster(base, rest),
            _ if ONE.contains(&scheme) => {
                parse(url, ONE_FORM)?;
                Ok(Self::One(url.into()))
            }
            _ => Err(malformed(
                ONE_FORM,
                "its URL does not begin with redis://, rediss://, redis+sentinel:// or redis+cluster://",
            )),
        }
    }

    /// True if the connections are encrypted.
    pub fn have_tls(&self) -> bool {
        let first = match self {
            Self::One(url) => Some(url),
            Self::Sentinels { urls, .. } | Self::Cluster(urls) => urls.first(),
        };
        first.is_some_and(|url| {
            let url = url.expose_secret();
            url.starts_with("rediss:") || url.starts_with("valkeys:")
        })
    }
}

fn is_tcp(base: &str) -> bool {
    ["redis", "rediss", "valkey", "valkeys"].contains(&base)
}

fn sentinels(base: &str, rest: &str) -> Result<RedisServers, MalformedUrl> {
    let refused = |problem| Err(malformed(SENTINELS_FORM, problem));
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let (service, db) = path.split_once('/').unwrap_or((path, ""));
    if service.is_empty() {
        return refused("its URL does not name the service that the Sentinels watch");
    }
    if !db.is_empty() && db.parse::<u16>().is_err() {
        return refused("what follows the service in its URL is not the number of a database");
    }
    let suffix = if db.is_empty() {
        String::new()
    } else {
        format!("/{db}")
    };
    Ok(RedisServers::Sentinels {
        urls: each(
            base,
            authority,
            &suffix,
            Some(SENTINEL_PORT),
            SENTINELS_FORM,
        )?,
        service: service.to_owned(),
    })
}

fn cluster(base: &str, rest: &str) -> Result<RedisServers, MalformedUrl> {
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    if !["", "0"].contains(&path) {
        return Err(malformed(
            CLUSTER_FORM,
            "its URL names a database, and a cluster has only database 0",
        ));
    }
    let urls = each(base, authority, "", None, CLUSTER_FORM)?;
    Ok(RedisServers::Cluster(urls))
}

/// The URL of each host. `default_port` is added to a host without a port.
fn each(
    base: &str,
    authority: &str,
    suffix: &str,
    default_port: Option<u16>,
    form: &'static str,
) -> Result<Vec<SecretString>, MalformedUrl> {
    let (user, hosts) = match authority.rsplit_once('@') {
        Some((user, hosts)) => (format!("{user}@"), hosts),
        None => (String::new(), authority),
    };
    let urls = hosts.split(',').map(|host| {
        let port = match default_port {
            Some(port) if !has_port(host) => format!(":{port}"),
            _ => String::new(),
        };
        let url = format!("{base}://{user}{host}{port}{suffix}");
        parse(&url, form)?;
        Ok(url.into())
    });
    urls.collect()
}

fn has_port(host: &str) -> bool {
    // The address of a host in IPv6 has colons of its own, in brackets.
    let after_brackets = host.rsplit_once(']').map_or(host, |(_, after)| after);
    after_brackets.contains(':')
}

fn parse(url: &str, form: &'static str) -> Result<(), MalformedUrl> {
    let url = Url::parse(url)
        .map_err(|error| malformed(form, &format!("its URL can't be understood ({error})")))?;
    if url.fragment().is_some() {
        return Err(malformed(form, "its URL contains a #"));
    }
    if !url.scheme().ends_with("unix") && url.host_str().unwrap_or_default().is_empty() {
        return Err(malformed(form, "its URL names no host"));
    }
    Ok(())
}

fn malformed(form: &'static str, problem: &str) -> MalformedUrl {
    MalformedUrl {
        problem: problem.to_owned(),
        form,
    }
}

/// Checks the form of a URL; an empty one is not set.
pub(super) fn check_url(key: &str, url: &SecretString) -> Result<(), Error> {
    if url.expose_secret().is_empty() {
        return Ok(());
    }
    RedisServers::of(url).map(drop).map_err(|error| {
        Error::Value(format!(
            "{key}: {}; it must be such as {}, in which @ : / ? # [ ] % in a password are written as %40 %3A \
             %2F %3F %23 %5B %5D %25 ({})",
            error.problem,
            error.form,
            variable_of(key)
        ))
    })
}

/// Settings beside URLs, and the URLs that they are for.
pub(super) struct Access<'a> {
    /// The place of the settings, such as `[redis]`.
    pub place: &'a str,
    pub urls: &'a [&'a SecretString],
    pub ca_file: &'a Path,
    pub cert_file: &'a Path,
    pub key_file: &'a Path,
    pub sentinel_user: &'a str,
    pub sentinel_password: &'a SecretString,
}

impl Access<'_> {
    /// Refuses settings that have no effect, or only half of one. Without any URL there is no such.
    pub fn check(&self) -> Result<(), Error> {
        let refused = |text| Err(Error::Contradiction(format!("{}: {text}", self.place)));
        let servers = self
            .urls
            .iter()
            .filter_map(|url| RedisServers::of(url).ok());
        let servers: Vec<_> = servers.collect();
        let is_set = |path: &Path| !path.as_os_str().is_empty();
        if is_set(self.cert_file) != is_set(self.key_file) {
            return refused(
                "tls_cert_file and tls_key_file go together: set both to show Redis a certificate, or neither",
            );
        }
        let has_files = is_set(self.ca_file) || is_set(self.cert_file);
        if has_files && !servers.is_empty() && !servers.iter().any(RedisServers::have_tls) {
            return refused(
                "tls_ca_file or tls_cert_file is set and the URL is not one of TLS: begin it with rediss://, or \
                 unset them",
            );
        }
        let has_password = !self.sentinel_password.expose_secret().is_empty();
        if !self.sentinel_user.is_empty() && !has_password {
            return refused("sentinel_user is set without sentinel_password");
        }
        let has_sentinels = servers
            .iter()
            .any(|servers| matches!(servers, RedisServers::Sentinels { .. }));
        if has_password && !servers.is_empty() && !has_sentinels {
            return refused(
                "sentinel_password is set and the URL names no Sentinels: begin it with redis+sentinel://, or \
                 unset it",
            );
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(url: &str) -> Result<RedisServers, String> {
        RedisServers::of(&url.into()).map_err(|error| error.to_string())
    }

    fn exposed(urls: &[SecretString]) -> Vec<&str> {
        urls.iter().map(ExposeSecret::expose_secret).collect()
    }

    #[test]
    fn every_scheme_of_one_server_is_taken() {
        for url in [
            "redis://h",
            "rediss://user:secret@h:6379/3",
            "valkey://h",
            "valkeys://h",
            "redis+unix:///run/redis.sock",
            "valkey+unix:///run/redis.sock?db=1",
            "unix:///run/redis.sock",
        ] {
            let servers = read(url).unwrap();
            assert!(matches!(servers, RedisServers::One(_)), "{url}");
            let has_s = url.starts_with("rediss") || url.starts_with("valkeys");
            assert_eq!(servers.have_tls(), has_s, "{url}");
        }
    }

    #[test]
    fn sentinels_share_a_login_and_a_database_and_have_their_port() {
        let url = "rediss+sentinel://user:s%40cret@one,two:5,[::1],[::1]:7/shop/2";
        let RedisServers::Sentinels { urls, service } = read(url).unwrap() else {
            panic!("they are Sentinels");
        };
        assert_eq!(service, "shop");
        let expected = [
            "rediss://user:s%40cret@one:26379/2",
            "rediss://user:s%40cret@two:5/2",
            "rediss://user:s%40cret@[::1]:26379/2",
            "rediss://user:s%40cret@[::1]:7/2",
        ];
        assert_eq!(exposed(&urls), expected);
    }

    #[test]
    fn nodes_of_a_cluster_share_a_login() {
        let RedisServers::Cluster(urls) = read("valkey+cluster://:secret@one:1,two:2/").unwrap()
        else {
            panic!("it is a cluster");
        };
        let expected = ["valkey://:secret@one:1", "valkey://:secret@two:2"];
        assert_eq!(exposed(&urls), expected);
    }

    #[test]
    fn a_malformed_url_is_refused_without_being_quoted() {
        for (url, problem) in [
            ("hunter2", "not a URL"),
            ("http://:hunter2@h", "does not begin with redis://"),
            ("redis+http://:hunter2@h", "does not begin with redis://"),
            (
                "redis+unix+sentinel://:hunter2@h/shop",
                "does not begin with",
            ),
            ("rediss://:hunter2@h/#insecure", "contains a #"),
            ("redis+sentinel://:hunter2@h", "does not name the service"),
            ("redis+sentinel://:hunter2@h/shop/x", "number of a database"),
            ("redis+sentinel://:hunter2@h,,i/shop", "can't be understood"),
            ("redis+sentinel://:hunter2@h:x/shop", "can't be understood"),
            ("redis+cluster://:hunter2@h:1,i:2/3", "only database 0"),
            ("redis+cluster://:hunter2@", "can't be understood"),
        ] {
            let error = read(url).expect_err(url);
            assert!(error.contains(problem), "{url}: {error}");
            assert!(!error.contains("hunter2"), "{error}");
        }
    }
}
