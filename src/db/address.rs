//! Reads `database.url`: the hosts, whether one of them must be a primary, and what a pooler in front of
//! them lends.
//!
//! sqlx knows one host per URL. Several are written as libpq writes them: `host1:5432,host2:5432`, or
//! `host=/one,/two&port=5432,5433` among the parameters.

use std::{fs::File, str::FromStr};

use secrecy::{ExposeSecret, SecretString};
use sqlx::postgres::PgConnectOptions;
use url::{Url, form_urlencoded};

use super::error::{Doing, Error};

/// The parameters that name files of certificates and keys.
const FILES: [&str; 7] = [
    "sslrootcert",
    "ssl-root-cert",
    "ssl-ca",
    "sslcert",
    "ssl-cert",
    "sslkey",
    "ssl-key",
];

/// The server that a connection may lead to: `target_session_attrs`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    Any,
    /// A server that writes.
    Primary,
}

/// What a connection lasts for at PostgreSQL: `pool_mode`, by its name in `PgBouncer`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pooling {
    /// A connection is one session of PostgreSQL.
    Sessions,
    /// Each transaction may run in another session, so no setting outlives it.
    Transactions(StatementNames),
}

/// Whether prepared statements are found again in another session: `prepared_statements`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum StatementNames {
    /// The pooler prepares a statement wherever it is needed.
    Kept,
    /// A statement is prepared again in every transaction.
    Forgotten,
}

/// The parts of `database.url`.
#[derive(Clone, Debug)]
pub(super) struct Address {
    /// One for each host, in the order of the URL.
    pub(super) hosts: Vec<PgConnectOptions>,
    pub(super) wanted: Wanted,
    pub(super) pooling: Pooling,
}

impl Address {
    pub(super) fn parse(url: &SecretString) -> Result<Self, Error> {
        parse(url.expose_secret()).doing("understand database.url")
    }

    /// The hosts, the database and the user.
    pub(super) fn place(&self) -> String {
        let hosts: Vec<_> = self.hosts.iter().map(name_of).collect();
        let first = &self.hosts[0];
        let user = first.get_username();
        let database = first.get_database().unwrap_or(user);
        format!("{} (database {database}, user {user})", hosts.join(","))
    }
}

/// Host and port, or the directory of a socket.
pub(super) fn name_of(host: &PgConnectOptions) -> String {
    match host.get_socket() {
        Some(socket) => socket.display().to_string(),
        None => format!("{}:{}", host.get_host(), host.get_port()),
    }
}

/// The parameters of a URL that sqlx does not know.
#[derive(Default)]
struct Ours {
    hosts: Vec<String>,
    ports: Vec<String>,
    target_session_attrs: Option<String>,
    by_transaction: bool,
    forgets_statements: bool,
}

fn parse(url: &str) -> Result<Address, sqlx::Error> {
    let mut hosts = Vec::new();
    let mut ours = Ours::default();
    for url in one_url_per_host(url) {
        let url = Url::parse(&url).map_err(refusal)?;
        let (known, others) = sort_parameters(&url)?;
        let mut rest = url.clone();
        rest.query_pairs_mut().clear().extend_pairs(others);
        let host = PgConnectOptions::from_str(rest.as_str())?;
        hosts.extend(with_parameters(&host, &known)?);
        ours = known;
    }
    let pooling = match (ours.by_transaction, ours.forgets_statements) {
        (false, _) => Pooling::Sessions,
        (true, false) => Pooling::Transactions(StatementNames::Kept),
        (true, true) => Pooling::Transactions(StatementNames::Forgotten),
    };
    let wanted = match ours.target_session_attrs.as_deref() {
        None if hosts.len() == 1 => Wanted::Any,
        Some("any") => Wanted::Any,
        None | Some("read-write" | "primary") => Wanted::Primary,
        Some(other) => {
            return Err(refusal(format!(
                "target_session_attrs is {other}; a service that writes can use read-write, primary or any"
            )));
        }
    };
    let finish = |host: PgConnectOptions| {
        // A pooler refuses parameters that it does not know; PostgreSQL's own default is as precise.
        let host = host.extra_float_digits(None);
        match pooling {
            Pooling::Transactions(StatementNames::Forgotten) => host.statement_cache_capacity(0),
            _ => host,
        }
    };
    Ok(Address {
        hosts: hosts.into_iter().map(finish).collect(),
        wanted,
        pooling,
    })
}

/// Splits `scheme://user@host1:1,host2:2/database?…` at the commas between its hosts.
fn one_url_per_host(url: &str) -> Vec<String> {
    let Some((scheme, rest)) = url.split_once("://") else {
        return vec![url.to_owned()];
    };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, rest) = rest.split_at(end);
    let (user, hosts) = match authority.rsplit_once('@') {
        Some((user, hosts)) => (format!("{user}@"), hosts),
        None => (String::new(), authority),
    };
    let hosts = hosts.split(',');
    hosts
        .map(|host| format!("{scheme}://{user}{host}{rest}"))
        .collect()
}

/// Takes our parameters out of a URL's, and returns the others. A comma that is written as %2C belongs to a
/// path.
fn sort_parameters(url: &Url) -> Result<(Ours, Vec<(String, String)>), sqlx::Error> {
    let mut ours = Ours::default();
    let mut others = Vec::new();
    for pair in url.query().unwrap_or_default().split('&') {
        let (key, raw) = pair.split_once('=').unwrap_or((pair, ""));
        let decoded = |text: &str| -> String {
            form_urlencoded::parse(format!("={text}").as_bytes())
                .map(|(_, value)| value.into_owned())
                .collect()
        };
        let list = || raw.split(',').map(decoded).collect();
        let value = decoded(raw);
        match key {
            "" => {}
            "host" => ours.hosts = list(),
            "port" => ours.ports = list(),
            "target_session_attrs" => ours.target_session_attrs = Some(value),
            "pool_mode" => ours.by_transaction = value == "transaction",
            "prepared_statements" => ours.forgets_statements = value == "off",
            // The system's certificates are trusted anyway.
            "sslrootcert" if value == "system" => {}
            _ => {
                if FILES.contains(&key) && !value.starts_with("-----BEGIN") {
                    File::open(&value).map_err(|error| {
                        refusal(format!(
                            "the file of {key}, {value}, can't be read: {error}"
                        ))
                    })?;
                }
                others.push((key.to_owned(), value));
            }
        }
    }
    Ok((ours, others))
}

/// The hosts that the parameters name, or else the one of the URL.
fn with_parameters(
    host: &PgConnectOptions,
    ours: &Ours,
) -> Result<Vec<PgConnectOptions>, sqlx::Error> {
    let named: Vec<_> = if ours.hosts.is_empty() {
        // sqlx would look up the name "[::1]".
        let plain = host.get_host().trim_matches(['[', ']']).to_owned();
        vec![match host.get_socket() {
            Some(_) => host.clone(),
            None => host.clone().host(&plain),
        }]
    } else {
        let at = |name: &String| {
            if name.starts_with('/') {
                host.clone().socket(name)
            } else {
                host.clone().host(name)
            }
        };
        ours.hosts.iter().map(at).collect()
    };
    let port_of = |nr: usize| match ours.ports.as_slice() {
        [one] => Some(one),
        several => several.get(nr),
    };
    if ours.ports.len() > 1 && ours.ports.len() != named.len() {
        return Err(refusal(format!(
            "it has {} hosts and {} ports",
            named.len(),
            ours.ports.len()
        )));
    }
    let at_port = |(nr, host): (usize, PgConnectOptions)| match port_of(nr) {
        Some(port) => match port.parse() {
            Ok(port) => Ok(host.port(port)),
            Err(_) => Err(refusal(format!("{port} is not a port"))),
        },
        None => Ok(host),
    };
    named.into_iter().enumerate().map(at_port).collect()
}

fn refusal(problem: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> sqlx::Error {
    sqlx::Error::Configuration(problem.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(url: &str) -> Vec<String> {
        let address = parse(url).unwrap();
        address.hosts.iter().map(name_of).collect()
    }

    fn refused(url: &str) -> String {
        parse(url).unwrap_err().to_string()
    }

    #[test]
    fn a_url_may_name_several_hosts_as_libpq_writes_them() {
        for (url, hosts) in [
            ("postgres://u:p@one/d", &["one:5432"][..]),
            (
                "postgres://u:p@one,two:5433,[::1]:5434/d?sslmode=require",
                &["one:5432", "two:5433", "::1:5434"],
            ),
            (
                "postgres:///d?host=/a%2Cb,two&port=5433&user=u",
                &["/a,b", "two:5433"],
            ),
            (
                "postgres:///d?host=one,two&port=5433,5434",
                &["one:5433", "two:5434"],
            ),
        ] {
            assert_eq!(names(url), hosts, "{url}");
        }
        let address = parse("postgres://u:p%40@one,two/d?sslmode=disable").unwrap();
        for host in &address.hosts {
            assert_eq!(host.get_username(), "u");
            assert_eq!(host.get_database(), Some("d"));
        }
        assert_eq!(
            address.place(),
            "one:5432,two:5432 (database d, user u)",
            "and no password"
        );
    }

    #[test]
    fn several_hosts_are_asked_for_the_primary_unless_any_will_do() {
        for (url, wanted) in [
            ("postgres://one/d", Wanted::Any),
            ("postgres://one,two/d", Wanted::Primary),
            (
                "postgres://one/d?target_session_attrs=read-write",
                Wanted::Primary,
            ),
            ("postgres://one,two/d?target_session_attrs=any", Wanted::Any),
        ] {
            assert_eq!(parse(url).unwrap().wanted, wanted, "{url}");
        }
        let told = refused("postgres://one,two/d?target_session_attrs=standby");
        assert!(told.contains("read-write"), "{told}");
    }

    #[test]
    fn what_can_t_be_meant_is_refused() {
        for (url, named) in [
            (
                "postgres:///d?user=u&password=hunter2&host=a,b&port=1,2,3",
                "2 hosts and 3 ports",
            ),
            (
                "postgres:///d?user=u&password=hunter2&host=a&port=x",
                "x is not a port",
            ),
            (
                "postgres://u:hunter2@h/d?sslrootcert=/no/such/file",
                "sslrootcert, /no/such/file",
            ),
        ] {
            let told = refused(url);
            assert!(told.contains(named) && !told.contains("hunter2"), "{told}");
        }
    }
}
