//! Checks whether the servers of Redis take writes: a replica or a Sentinel does not, and a node of
//! a cluster takes only some of the keys unless it is configured as one.

use redis::RedisResult;
use serde::Serialize;

use crate::redis_client::{Node, Target, info_field, look};

/// A server that commands go to.
#[derive(Clone, Debug, Serialize)]
pub struct Server {
    pub address: String,
    /// As it describes itself: `primary`, `replica`, `sentinel`; `unknown` if the user may not ask.
    pub role: &'static str,
    pub version: Option<String>,
    /// The reason for which it takes no commands, or not all.
    pub problem: Option<String>,
}

/// Asks the servers that commands go to.
///
/// # Errors
/// It can't be found out which servers these are, or none answers.
pub async fn servers(target: &Target) -> RedisResult<Vec<Server>> {
    let nodes = look(target).await?;
    if let [
        Node {
            info: Err(error), ..
        },
    ] = nodes.as_slice()
    {
        return Err(error.clone());
    }
    let servers = nodes
        .into_iter()
        .map(|node| server(node, target.is_cluster()));
    Ok(servers.collect())
}

/// Returns the reason for which this Redis can't be used, or not for all keys, if there is one.
///
/// # Errors
/// As those of [`servers`].
pub async fn find_problem(target: &Target) -> RedisResult<Option<String>> {
    Ok(problem_of(&servers(target).await?))
}

/// The first problem of a server. Among several it is named.
pub fn problem_of(servers: &[Server]) -> Option<String> {
    let (server, problem) = servers
        .iter()
        .find_map(|server| Some((server, server.problem.as_ref()?)))?;
    Some(if servers.len() == 1 {
        problem.clone()
    } else {
        format!("{}: {problem}", server.address)
    })
}

fn server(node: Node, of_cluster: bool) -> Server {
    let address = node.place;
    match node.info {
        Err(error) => Server {
            address,
            role: "unknown",
            version: None,
            problem: Some(format!("it can't be used: {error}")),
        },
        Ok(info) => Server {
            address,
            role: role_in(&info),
            version: version_in(&info).map(str::to_owned),
            problem: problem_in(&info, of_cluster).map(str::to_owned),
        },
    }
}

fn role_in(info: &str) -> &'static str {
    match (info_field(info, "redis_mode"), info_field(info, "role")) {
        (Some("sentinel"), _) => "sentinel",
        (_, Some("master")) => "primary",
        (_, Some("slave")) => "replica",
        _ => "unknown",
    }
}

fn version_in(info: &str) -> Option<&str> {
    // Valkey has both fields: the second is that of the Redis that it is compatible with.
    info_field(info, "valkey_version").or_else(|| info_field(info, "redis_version"))
}

/// The reason for which a server with this answer to INFO takes no commands, or not all. `of_cluster`: it is
/// configured as a cluster.
pub fn problem_in(info: &str, of_cluster: bool) -> Option<&'static str> {
    let field = |name| info_field(info, name);
    Some(match (field("redis_mode"), field("role")) {
        (Some("sentinel"), _) => {
            "it is a Sentinel, which stores no data: begin the URL with redis+sentinel://"
        }
        (Some("cluster"), _) if !of_cluster => {
            "it is a node of a cluster, which takes only some of the keys: begin the URL with redis+cluster://"
        }
        (_, Some("slave")) => "it is a replica, which takes no writes: configure the primary",
        _ if field("loading") == Some("1") => "it is still loading its data",
        _ if of_cluster && field("cluster_enabled") == Some("0") => {
            "it is no node of a cluster: begin the URL with redis://"
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_redis_that_takes_only_some_keys_or_none_is_reported() {
        assert_eq!(
            problem_in("redis_mode:standalone\r\nrole:master\r\n", false),
            None
        );
        assert_eq!(problem_in("", false), None);
        assert_eq!(
            problem_in("redis_mode:cluster\r\nrole:master\r\n", true),
            None
        );
        for (info, of_cluster, named) in [
            ("redis_mode:sentinel\r\n", false, "Sentinel"),
            ("redis_mode:cluster\r\nrole:master\r\n", false, "cluster"),
            ("redis_mode:cluster\r\nrole:slave\r\n", true, "replica"),
            ("redis_mode:standalone\r\nrole:slave\r\n", false, "replica"),
            ("role:master\r\nloading:1\r\n", false, "loading"),
            (
                "role:master\r\ncluster_enabled:0\r\n",
                true,
                "no node of a cluster",
            ),
        ] {
            let problem = problem_in(info, of_cluster).unwrap_or_default();
            assert!(problem.contains(named), "{info:?}: {problem:?}");
        }
    }

    #[test]
    fn one_of_several_servers_with_a_problem_is_named() {
        let node = |place: &str, info: &str| Node {
            place: place.to_owned(),
            info: Ok(info.to_owned()),
        };
        let fine = server(node("a:1", "role:master\r\n"), true);
        let loading = server(node("b:2", "role:master\r\nloading:1\r\n"), true);
        assert_eq!(problem_of(std::slice::from_ref(&fine)), None);
        let problem = problem_of(&[fine, loading]).unwrap_or_default();
        assert_eq!(problem, "b:2: it is still loading its data");
    }
}
