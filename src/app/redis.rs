//! Turns the settings of Redis into what connections are made to.

use std::path::Path;

use secrecy::{ExposeSecret, SecretString};

use crate::{
    config::{Config, RedisStream, Sink},
    redis_client::{InvalidTarget, SentinelLogin, Target, TlsFiles},
};

/// The Redis of a setting can't be used, whatever the state of its servers.
#[derive(Debug, thiserror::Error)]
#[error("{setting} can't be used: {problem}")]
pub struct UnusableRedis {
    setting: String,
    #[source]
    problem: InvalidTarget,
}

/// The Redis of everything, and those of the events.
#[derive(Clone, Debug)]
pub struct Targets {
    pub of_all: Target,
    /// One for each sink of events in Redis, in their order. It is `of_all` for those without a URL of their
    /// own.
    pub of_sinks: Vec<Target>,
}

impl Targets {
    /// Reads the files that the settings name.
    ///
    /// # Errors
    /// A URL or a file can't be used.
    pub fn of(config: &Config, url: &SecretString) -> Result<Self, UnusableRedis> {
        let of_all = target(config, "redis.url", url)?;
        let of_sinks = of_sinks(config, || Ok(of_all.clone()))?;
        Ok(Self { of_all, of_sinks })
    }

    /// Those of the sinks alone. The URL may be empty if each sink has another one.
    ///
    /// # Errors
    /// As those of [`Targets::of`].
    pub fn of_sinks(config: &Config, url: &SecretString) -> Result<Vec<Target>, UnusableRedis> {
        of_sinks(config, || target(config, "redis.url", url))
    }
}

fn of_sinks(
    config: &Config,
    of_all: impl Fn() -> Result<Target, UnusableRedis>,
) -> Result<Vec<Target>, UnusableRedis> {
    let sinks = config.outbox.sinks.iter().filter_map(|sink| match sink {
        Sink::RedisStream(sink) => Some(sink),
        _ => None,
    });
    let outbox_url = &config.outbox.redis_url;
    let targets = sinks.map(|sink| {
        if !sink.url.expose_secret().is_empty() {
            of_sink(config, sink)
        } else if !outbox_url.expose_secret().is_empty() {
            target(config, "outbox.redis_url", outbox_url)
        } else {
            of_all()
        }
    });
    targets.collect()
}

fn target(config: &Config, setting: &str, url: &SecretString) -> Result<Target, UnusableRedis> {
    let redis = &config.redis;
    let login = SentinelLogin {
        user: redis.sentinel_user.clone(),
        password: redis.sentinel_password.clone(),
    };
    Target::new(url, files_of_all(config), login).map_err(|problem| UnusableRedis {
        setting: setting.to_owned(),
        problem,
    })
}

/// The Redis of a sink with a URL of its own.
fn of_sink(config: &Config, sink: &RedisStream) -> Result<Target, UnusableRedis> {
    let files = if sink.has_tls_files() {
        files(&sink.tls_ca_file, &sink.tls_cert_file, &sink.tls_key_file)
    } else {
        files_of_all(config)
    };
    let login = SentinelLogin {
        user: sink.sentinel_user.clone(),
        password: sink.sentinel_password.clone(),
    };
    Target::new(&sink.url, files, login).map_err(|problem| UnusableRedis {
        setting: format!("the url of the sink {}", sink.name),
        problem,
    })
}

fn files_of_all(config: &Config) -> TlsFiles {
    let redis = &config.redis;
    files(
        &redis.tls_ca_file,
        &redis.tls_cert_file,
        &redis.tls_key_file,
    )
}

fn files(ca: &Path, cert: &Path, key: &Path) -> TlsFiles {
    TlsFiles {
        ca: ca.to_owned(),
        cert: cert.to_owned(),
        key: key.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn targets(variables: &[(&str, &str)]) -> Result<Targets, String> {
        let variables = variables
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let config = Config::load(None, variables).unwrap();
        Targets::of(&config, &"redis://all".into()).map_err(|error| error.to_string())
    }

    #[test]
    fn events_go_to_the_redis_for_everything_unless_they_have_one_of_their_own() {
        let targets_of = |own| targets(&[("SPLITCART_OUTBOX_REDIS_URL", own)]).unwrap();
        let shared = targets_of("");
        assert!(shared.of_sinks[0].is(&shared.of_all));
        let own = targets_of("redis+cluster://own:1,own:2");
        assert_eq!(own.of_sinks[0].place(), "own:1,own:2 (a cluster)");
    }

    #[test]
    fn a_file_that_can_t_be_used_is_named_with_the_setting() {
        let key = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
        let own = ("SPLITCART_OUTBOX_REDIS_URL", "rediss://:hunter2@own");
        for (file, problem) in [
            ("/nowhere/ca.pem", "can't be read"),
            (key, "holds no certificate"),
        ] {
            let error = targets(&[own, ("SPLITCART_REDIS_TLS_CA_FILE", file)]).unwrap_err();
            for part in ["outbox.redis_url", file, problem] {
                assert!(error.contains(part), "{error}");
            }
            assert!(!error.contains("hunter2"), "{error}");
        }
    }
}
