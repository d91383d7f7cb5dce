//! Makes connections: to one server, to the primary that Sentinels know, to all nodes of a cluster, or to
//! the node of a cluster that has one key.

use std::{io, time::Duration};

use redis::{
    AsyncConnectionConfig, Client, Cmd, Pipeline, RedisError, RedisResult, Value,
    aio::{ConnectionLike, MultiplexedConnection},
    cluster::ClusterClientBuilder,
    cluster_async::ClusterConnection,
    sentinel::{SentinelClient, SentinelClientBuilder, SentinelServerType},
};
use secrecy::ExposeSecret;
use tokio::time::timeout;

use crate::config::RedisServers;

use super::{owner::connect_to_owner, target::Target, tcp};

/// The time limit of connecting to one server. Longer than that of most commands: no command waits for all
/// of it, and a connection that is too late for one command serves the next.
const CONNECT_MAX: Duration = Duration::from_secs(2);
/// The same for one node of several: a node that hangs must leave time for the others.
pub(super) const NODE_CONNECT_MAX: Duration = Duration::from_millis(800);
/// The time limit of finding the right server among several.
const FIND_MAX: Duration = Duration::from_secs(5);

/// The attempts of a command in a cluster beside the first, after a redirection or while a slot moves. The
/// time limit of the command holds for all of them together.
const RETRIES: u32 = 5;
/// The pauses between them are from 5 ms to this.
const RETRY_PAUSE_MS_MAX: u64 = 50;

/// A made connection.
#[derive(Clone)]
pub(super) enum Link {
    /// To one server.
    Server(MultiplexedConnection),
    /// To the node of a cluster that had the key when the connection was made.
    Owner(MultiplexedConnection),
    /// To all nodes of a cluster. It follows redirections, and repairs its connections to nodes.
    Cluster(ClusterConnection),
}

impl Link {
    pub async fn send(&mut self, command: &Cmd) -> RedisResult<Value> {
        match self {
            Self::Server(connection) | Self::Owner(connection) => {
                connection.req_packed_command(command).await
            }
            Self::Cluster(connection) => connection.req_packed_command(command).await,
        }
    }

    pub async fn send_all(
        &mut self,
        pipeline: &Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisResult<Vec<Value>> {
        match self {
            Self::Server(connection) | Self::Owner(connection) => {
                connection
                    .req_packed_commands(pipeline, offset, count)
                    .await
            }
            Self::Cluster(connection) => {
                connection
                    .req_packed_commands(pipeline, offset, count)
                    .await
            }
        }
    }
}

/// Connects. `probe` names a key; with it, a cluster's node that has the key is connected to.
pub(super) async fn connect(target: Target, probe: Option<Cmd>) -> RedisResult<Link> {
    let several = async {
        match (target.servers(), probe) {
            (RedisServers::One(_), _) => {
                let [info] = target.infos()?.try_into().expect("it is one");
                let client = target.client(info)?;
                connect_to(&client, CONNECT_MAX).await.map(Link::Server)
            }
            (RedisServers::Sentinels { .. }, _) => {
                let client = sentinel_client(&target)?.async_get_client().await?;
                connect_to(&client, CONNECT_MAX).await.map(Link::Server)
            }
            (RedisServers::Cluster(_), None) => cluster(&target).await.map(Link::Cluster),
            (RedisServers::Cluster(_), Some(probe)) => {
                connect_to_owner(&target, &probe).await.map(Link::Owner)
            }
        }
    };
    timeout(FIND_MAX, several)
        .await
        .unwrap_or_else(|_| Err(timed_out()))
}

pub(super) async fn connect_to(
    client: &Client,
    connect_max: Duration,
) -> RedisResult<MultiplexedConnection> {
    let config = AsyncConnectionConfig::new()
        .set_connection_timeout(Some(connect_max))
        // `Connection` bounds commands, and knows which of them timed out.
        .set_response_timeout(None);
    client
        .get_multiplexed_async_connection_with_config(&config)
        .await
}

/// A client that asks the Sentinels for the primary, and the primary whether it is one.
pub(super) fn sentinel_client(target: &Target) -> RedisResult<SentinelClient> {
    let RedisServers::Sentinels { service, .. } = target.servers() else {
        unreachable!("only Sentinels are asked for a primary");
    };
    let infos = target.infos()?;
    let addresses = infos.iter().map(|info| info.addr().clone());
    let mut builder = SentinelClientBuilder::new(addresses, service, SentinelServerType::Master)?
        .set_client_to_redis_tcp_settings(tcp::settings())
        .set_client_to_sentinel_tcp_settings(tcp::settings())
        .set_client_to_redis_db(target.db());
    if let Some(first) = infos.first() {
        let login = first.redis_settings();
        if let Some(user) = login.username() {
            builder = builder.set_client_to_redis_username(user);
        }
        if let Some(password) = login.password() {
            builder = builder.set_client_to_redis_password(password);
        }
    }
    let login = target.sentinel();
    if !login.user.is_empty() {
        builder = builder.set_client_to_sentinel_username(&login.user);
    }
    if !login.password.expose_secret().is_empty() {
        builder = builder.set_client_to_sentinel_password(login.password.expose_secret());
    }
    if target.servers().have_tls() {
        builder = builder
            .set_client_to_redis_tls_mode(redis::TlsMode::Secure)
            .set_client_to_sentinel_tls_mode(redis::TlsMode::Secure);
    }
    if let Some(certificates) = target.certificates()? {
        builder = builder
            .set_client_to_redis_certificates(certificates.clone())
            .set_client_to_sentinel_certificates(certificates);
    }
    builder.build()
}

async fn cluster(target: &Target) -> RedisResult<ClusterConnection> {
    let mut builder = ClusterClientBuilder::new(target.infos()?)
        .tcp_settings(tcp::settings())
        .connection_timeout(NODE_CONNECT_MAX)
        .response_timeout(NODE_CONNECT_MAX)
        .overall_response_timeout(None)
        .retries(RETRIES)
        .min_retry_wait(5)
        .max_retry_wait(RETRY_PAUSE_MS_MAX)
        .retry_wait_formula(5, 2);
    if let Some(certificates) = target.certificates()? {
        builder = builder.certs(certificates);
    }
    builder.build()?.get_async_connection().await
}

pub(super) fn timed_out() -> RedisError {
    io::Error::from(io::ErrorKind::TimedOut).into()
}
