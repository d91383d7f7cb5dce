//! Finds the node of a cluster that has a key: any node names it in its refusal of a command about the key.
//!
//! A stream is one key, and the commands of a batch must reach its node in order and on one connection: a
//! cluster's client would send a whole batch again if a part of it was redirected.

use redis::{
    Client, Cmd, ConnectionInfo, RedisError, RedisResult, Value,
    aio::{ConnectionLike, MultiplexedConnection},
};
use tokio::time::timeout;

use super::{
    link::{NODE_CONNECT_MAX, connect_to, timed_out},
    target::{Target, address_like},
};

/// The most redirections in a row. One is usual, two happen while a slot moves.
const REDIRECTIONS_MAX: usize = 5;

/// Connects to the node that has the key of `probe`.
pub(super) async fn connect_to_owner(
    target: &Target,
    probe: &Cmd,
) -> RedisResult<MultiplexedConnection> {
    let mut failed = None;
    for info in target.infos()? {
        match follow(target, info, probe).await {
            Ok(connection) => return Ok(connection),
            Err(error) => failed = Some(error),
        }
    }
    Err(failed.expect("a cluster has a node"))
}

/// Asks one node, and then the node that it names.
async fn follow(
    target: &Target,
    first: ConnectionInfo,
    probe: &Cmd,
) -> RedisResult<MultiplexedConnection> {
    let mut info = first;
    for _ in 0..=REDIRECTIONS_MAX {
        let mut connection = connect_to(&target.client(info.clone())?, NODE_CONNECT_MAX).await?;
        match ask(&mut connection, probe).await? {
            None => return Ok(connection),
            Some((host, port)) => {
                // A node that does not know its own name leaves it out.
                let host = if host.is_empty() {
                    host_of(&info)
                } else {
                    host
                };
                let address = address_like(info.addr(), host, port);
                info = info.set_addr(address);
            }
        }
    }
    Err(RedisError::from(std::io::Error::other(
        "the nodes of the cluster name each other for the same key",
    )))
}

/// Returns the node that this one names, if it has not got the key itself.
async fn ask(
    connection: &mut MultiplexedConnection,
    probe: &Cmd,
) -> RedisResult<Option<(String, u16)>> {
    let answer = timeout(NODE_CONNECT_MAX, connection.req_packed_command(probe));
    let error = match answer.await.unwrap_or_else(|_| Err(timed_out())) {
        Ok(Value::ServerError(error)) => RedisError::from(error),
        Ok(_) => return Ok(None),
        Err(error) => error,
    };
    match error.code() {
        Some("MOVED") => {
            let (address, _) = error.redirect_node().unwrap_or_default();
            let parts = address.rsplit_once(':');
            let place = parts.and_then(|(host, port)| Some((host, port.parse().ok()?)));
            let (host, port) = place.ok_or(error.clone())?;
            Ok(Some((host.trim_matches(['[', ']']).to_owned(), port)))
        }
        Some("CLUSTERDOWN" | "LOADING" | "MASTERDOWN") | None => Err(error),
        // Any other refusal is of a node that has the key.
        Some(_) => Ok(None),
    }
}

fn host_of(info: &ConnectionInfo) -> String {
    let address = info.addr().to_string();
    address
        .rsplit_once(':')
        .map_or(address.clone(), |(host, _)| host.to_owned())
}

/// A client of each primary of a cluster, or an error if no node answers.
pub(super) async fn primaries(target: &Target) -> RedisResult<Vec<(String, RedisResult<Client>)>> {
    let mut failed = None;
    for info in target.infos()? {
        match slots(target, &info).await {
            Ok(answer) => {
                let places = primaries_in(&answer);
                return Ok(places
                    .into_iter()
                    .map(|(host, port)| {
                        let host = if host.is_empty() {
                            host_of(&info)
                        } else {
                            host
                        };
                        let address = address_like(info.addr(), host, port);
                        let place = address.to_string();
                        (place, target.client(info.clone().set_addr(address)))
                    })
                    .collect());
            }
            Err(error) => failed = Some(error),
        }
    }
    Err(failed.expect("a cluster has a node"))
}

async fn slots(target: &Target, info: &ConnectionInfo) -> RedisResult<Value> {
    let client = target.client(info.clone())?;
    let mut connection = connect_to(&client, NODE_CONNECT_MAX).await?;
    let mut command = redis::cmd("CLUSTER");
    command.arg("SLOTS");
    let answer = timeout(NODE_CONNECT_MAX, command.query_async(&mut connection));
    answer.await.unwrap_or_else(|_| Err(timed_out()))
}

/// The first node of each range of slots, without repetitions.
fn primaries_in(slots: &Value) -> Vec<(String, u16)> {
    let mut found = Vec::new();
    let ranges = slots.as_sequence().unwrap_or_default();
    for range in ranges {
        let primary = range.as_sequence().and_then(|range| range.get(2));
        let Some([host, port, ..]) = primary.and_then(Value::as_sequence) else {
            continue;
        };
        let host = redis::from_redis_value_ref::<Option<String>>(host);
        let host = host.ok().flatten().filter(|host| host != "?");
        let Ok(port) = redis::from_redis_value_ref(port) else {
            continue;
        };
        let place = (host.unwrap_or_default(), port);
        if !found.contains(&place) {
            found.push(place);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(host: Value, port: i64) -> Value {
        Value::Array(vec![host, Value::Int(port)])
    }

    #[test]
    fn the_primaries_of_all_ranges_are_found_once_each() {
        let range =
            |first, last, node| Value::Array(vec![Value::Int(first), Value::Int(last), node]);
        let named = |name: &str| Value::BulkString(name.into());
        let slots = Value::Array(vec![
            range(0, 9, node(named("one"), 1)),
            range(10, 19, node(Value::Nil, 2)),
            range(20, 29, node(named("one"), 1)),
            range(30, 39, node(named("?"), 3)),
        ]);
        let expected = [("one", 1), ("", 2), ("", 3)];
        let expected = expected.map(|(host, port)| (host.to_owned(), port));
        assert_eq!(primaries_in(&slots), expected);
    }
}
