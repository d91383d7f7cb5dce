//! Checks the form of the URLs of PostgreSQL and NATS (those of Redis: `redis`). Errors never quote a URL,
//! because it contains a password.

use secrecy::{ExposeSecret, SecretString};
use url::Url;

use super::{Error, PoolMode, sources::variable_of};

const POSTGRESQL: [&str; 2] = ["postgres", "postgresql"];
const NATS: [&str; 2] = ["nats", "tls"];

/// `database.url`.
pub(super) fn check_database(key: &str, url: &SecretString) -> Result<(), Error> {
    check(
        key,
        &with_first_host(url),
        &POSTGRESQL,
        "postgres://user:password@host:5432/database",
    )
}

/// The URL without all hosts but the first: `url` knows one.
fn with_first_host(url: &SecretString) -> SecretString {
    let text = url.expose_secret();
    let Some((scheme, rest)) = text.split_once("://") else {
        return url.clone();
    };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, rest) = rest.split_at(end);
    let first = match authority.rsplit_once('@') {
        Some((user, hosts)) => format!("{user}@{}", hosts.split(',').next().unwrap_or_default()),
        None => authority.split(',').next().unwrap_or_default().to_owned(),
    };
    format!("{scheme}://{first}{rest}").into()
}

/// The URL that says, to everything that connects, how a pooler in front of PostgreSQL works.
pub(super) fn with_pooling(
    url: &SecretString,
    mode: PoolMode,
    prepared_statements: bool,
) -> SecretString {
    let text = url.expose_secret();
    if mode == PoolMode::Session {
        return url.clone();
    }
    let separator = if text.contains('?') { '&' } else { '?' };
    let names = if prepared_statements { "on" } else { "off" };
    format!("{text}{separator}pool_mode=transaction&prepared_statements={names}").into()
}

/// The servers of a sink in NATS, with commas between them. Its library ignores a user in a URL.
pub(super) fn check_nats(key: &str, urls: &SecretString) -> Result<(), Error> {
    urls.expose_secret().split(',').try_for_each(|url| {
        let url = url.trim();
        check(key, &url.into(), &NATS, "nats://host:4222")?;
        match Url::parse(url) {
            Ok(url) if !url.username().is_empty() || url.password().is_some() => {
                Err(Error::Value(format!(
                    "{key}: its URL contains a user or a password, which are settings of their own here: user \
                     and password, or token"
                )))
            }
            _ => Ok(()),
        }
    })
}

fn check(key: &str, url: &SecretString, schemes: &[&str], form: &str) -> Result<(), Error> {
    let url = url.expose_secret();
    if url.is_empty() {
        return Ok(());
    }
    let refused = |problem: &str| {
        let variable = variable_of(key);
        Err(Error::Value(format!(
            "{key}: {problem}; it must be such as {form}, in which @ : / ? # [ ] % in a password are written as \
             %40 %3A %2F %3F %23 %5B %5D %25 ({variable})"
        )))
    };
    let scheme = url.split_once("://").map(|(scheme, _)| scheme);
    match scheme {
        None => return refused("this is not a URL"),
        Some(scheme) if !schemes.contains(&scheme) => {
            return refused(&format!("its URL does not begin with {}://", schemes[0]));
        }
        Some(_) => {}
    }
    match Url::parse(url) {
        Err(error) => refused(&format!("its URL can't be understood ({error})")),
        Ok(url) if url.fragment().is_some() => refused("its URL contains a #"),
        Ok(_) => Ok(()),
    }
}
