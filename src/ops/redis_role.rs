//! What the Redis of keys and first answers is: whether it takes what we write.

use redis::{IntoConnectionInfo, RedisResult};
use secrecy::{ExposeSecret, SecretString};

/// Where it is, for people.
///
/// # Errors
/// The URL is malformed.
pub fn place_of(url: &SecretString) -> RedisResult<String> {
    let info = url.expose_secret().into_connection_info()?;
    Ok(info.addr().to_string())
}

/// Why it is of no use to us, if it is not.
///
/// # Errors
/// It can't be reached, or refuses us.
pub async fn judge(url: &SecretString) -> RedisResult<Option<String>> {
    let client = redis::Client::open(url.expose_secret())?;
    let mut connection = client.get_multiplexed_async_connection().await?;
    let _: String = redis::cmd("PING").query_async(&mut connection).await?;
    // A user who may do all that we need may not be allowed to ask.
    let info: RedisResult<String> = redis::cmd("INFO").query_async(&mut connection).await;
    Ok(info.ok().and_then(|info| problem_in(&info)))
}

fn problem_in(info: &str) -> Option<String> {
    let field = |name: &str| {
        info.lines()
            .filter_map(|line| line.trim_end().split_once(':'))
            .find_map(|(key, value)| (key == name).then_some(value))
    };
    let problem = match (field("redis_mode"), field("role")) {
        (Some("sentinel"), _) => "it is a Sentinel, which keeps no data: name the primary",
        (Some("cluster"), _) => {
            "it is a node of a cluster, which takes only some of our keys: name a Redis of its own"
        }
        (_, Some("slave")) => "it is a replica, which takes nothing: name the primary",
        _ if field("loading") == Some("1") => "it is loading its data",
        _ => return None,
    };
    Some(problem.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_redis_that_takes_only_some_or_none_of_our_keys_is_named() {
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
