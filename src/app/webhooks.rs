//! Starts what posts webhooks.

use secrecy::SecretString;
use sqlx::PgPool;
use tokio::{sync::watch, task::JoinHandle};

use crate::{
    config::{Config, WEBHOOK_CONNECTIONS},
    db,
    metrics::Metrics,
    webhooks::{
        client::{Client, system_lookup},
        worker::Worker,
    },
};

use super::{background::background_pool, options};

/// The name of the pool, and the number of its connections.
const POOL: (&str, u32) = ("webhooks", WEBHOOK_CONNECTIONS);

/// Starts the worker, with a pool of its own, which is returned to be closed.
pub(super) fn start(
    config: &Config,
    database_url: &SecretString,
    metrics: &Metrics,
    stops: &watch::Receiver<bool>,
) -> Result<(JoinHandle<()>, PgPool), db::Error> {
    let pool = background_pool(config, database_url, metrics, POOL)?;
    let client = Client::new(options::webhook_reach(config), system_lookup());
    let worker = Worker::new(pool.clone(), client, metrics.clone());
    Ok((actix_rt::spawn(worker.run(stops.clone())), pool))
}
