//! How this service connects to Redis, whatever it then uses it for.

use std::time::Duration;

use redis::{
    Client, RedisError,
    aio::{ConnectionManager, ConnectionManagerConfig},
};
use secrecy::{ExposeSecret, SecretString};

/// A connection that is made when it is first used and made again when it was lost. Must be called
/// on the runtime that will use it.
///
/// `timeout` bounds connecting and every command; the caller decides what to do without Redis.
///
/// # Errors
/// The URL is malformed.
pub fn connect_lazy(
    url: &SecretString,
    timeout: Duration,
) -> Result<ConnectionManager, RedisError> {
    let config = ConnectionManagerConfig::new()
        .set_connection_timeout(Some(timeout))
        .set_response_timeout(Some(timeout))
        // Whoever needs it next tries again.
        .set_number_of_retries(1);
    ConnectionManager::new_lazy_with_config(Client::open(url.expose_secret())?, config)
}
