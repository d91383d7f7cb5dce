//! Looks at the servers that take commands: the one that is configured, the primary that Sentinels know, or
//! every primary of a cluster.

use futures_util::future::join_all;
use redis::{Client, RedisResult};

use crate::config::RedisServers;

use super::{
    link::{NODE_CONNECT_MAX, connect_to, sentinel_client},
    owner::primaries,
    target::Target,
};

/// A server, and what it reports about itself.
#[derive(Debug)]
pub struct Node {
    /// Its host and port.
    pub place: String,
    /// The answer to INFO; empty if this user may not ask.
    pub info: RedisResult<String>,
}

/// Asks all servers that take commands. Bounding the time is the caller's.
///
/// # Errors
/// It can't be found out which servers these are.
pub async fn look(target: &Target) -> RedisResult<Vec<Node>> {
    let clients = match target.servers() {
        RedisServers::One(_) => {
            let infos = target.infos()?.into_iter();
            let clients = infos.map(|info| (info.addr().to_string(), target.client(info)));
            clients.collect()
        }
        RedisServers::Sentinels { .. } => {
            let client = sentinel_client(target)?.async_get_client().await?;
            let place = client.get_connection_info().addr().to_string();
            vec![(place, Ok(client))]
        }
        RedisServers::Cluster(_) => primaries(target).await?,
    };
    let nodes = clients.into_iter().map(async |(place, client)| {
        let info = match client {
            Ok(client) => ask(&client).await,
            Err(error) => Err(error),
        };
        Node { place, info }
    });
    Ok(join_all(nodes).await)
}

async fn ask(client: &Client) -> RedisResult<String> {
    let mut connection = connect_to(client, NODE_CONNECT_MAX).await?;
    let _: String = redis::cmd("PING").query_async(&mut connection).await?;
    // A user with all the rights that the service needs may still be forbidden INFO.
    let info = redis::cmd("INFO").query_async(&mut connection).await;
    Ok(info.unwrap_or_default())
}
