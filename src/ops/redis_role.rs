//! Checks whether the Redis for keys and first answers takes writes: a replica, a Sentinel or a node of
//! a cluster does not, or not all of them.

use redis::{IntoConnectionInfo, RedisResult};
use secrecy::{ExposeSecret, SecretString};

use crate::redis_client::info_field;

/// The host and port of a URL, for log lines.
///
/// # Errors
/// The URL is malformed.
pub fn place_of(url: &SecretString) -> RedisResult<String> {
    let info = url.expose_secret().into_connection_info()?;
    Ok(info.addr().to_string())
}

/// Returns the reason for which this Redis can't be used, if there is one.
///
/// # Errors
/// Redis can't be reached, or refuses the login.
pub async fn find_problem(url: &SecretString) -> RedisResult<Option<String>> {
    let client = redis::Client::open(url.expose_secret())?;
    let mut connection = client.get_multiplexed_async_connection().await?;
    let _: String = redis::cmd("PING").query_async(&mut connection).await?;
    // A user with all the rights that the service needs may still be forbidden INFO.
    let info: RedisResult<String> = redis::cmd("INFO").query_async(&mut connection).await;
    Ok(info.ok().and_then(|info| problem_in(&info)))
}

/// The reason for which a Redis with this answer to INFO can't be used, if there is one.
pub fn problem_in(info: &str) -> Option<String> {
    let field = |name| info_field(info, name);
    let problem = match (field("redis_mode"), field("role")) {
        (Some("sentinel"), _) => "it is a Sentinel, which stores no data: configure the primary",
        (Some("cluster"), _) => {
            "it is a node of a cluster, which takes only some of the keys: configure a single Redis"
        }
        (_, Some("slave")) => "it is a replica, which takes no writes: configure the primary",
        _ if field("loading") == Some("1") => "it is still loading its data",
        _ => return None,
    };
    Some(problem.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_redis_that_takes_only_some_keys_or_none_is_reported() {
        assert_eq!(problem_in("redis_mode:standalone\r\nrole:master\r\n"), None);
        assert_eq!(problem_in(""), None);
        for (info, named) in [
            ("redis_mode:sentinel\r\n", "Sentinel"),
            ("redis_mode:cluster\r\nrole:master\r\n", "cluster"),
            ("redis_mode:standalone\r\nrole:slave\r\n", "replica"),
            ("role:master\r\nloading:1\r\n", "loading"),
        ] {
            let problem = problem_in(info).unwrap_or_default();
            assert!(problem.contains(named), "{info:?}: {problem:?}");
        }
    }
}
