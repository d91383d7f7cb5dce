//! Starts the cart desk on an arbiter of its own, with the pool that it uses.

use std::time::Duration;

use actix_rt::Arbiter;
use secrecy::SecretString;

use crate::{
    batching::{Limits, arbiter},
    config::Config,
    db::{
        self,
        pool::{Limits as PoolLimits, Workload},
    },
    metrics::Metrics,
};

use super::batch::{CartBatches, CartDesk};

/// The running desk.
#[derive(Debug)]
pub struct Carts {
    /// Where carts are handed in to be frozen.
    pub desk: CartDesk,
    arbiter: Arbiter,
}

impl Carts {
    /// Starts everything. The pool connects when it is first used.
    ///
    /// # Errors
    /// The database URL is malformed.
    pub async fn start(
        config: &Config,
        database_url: &SecretString,
        metrics: &Metrics,
    ) -> Result<Self, db::Error> {
        let (config, url, metrics) = (config.clone(), database_url.clone(), metrics.clone());
        let (desk, arbiter) = arbiter::open_on_new(move || open(&config, &url, &metrics)).await;
        Ok(Self {
            desk: desk?,
            arbiter,
        })
    }

    /// Waits until nothing is queued or running, then stops the arbiter.
    pub async fn stop(self) {
        self.desk.drained().await;
        arbiter::stop(self.arbiter).await;
    }
}

fn open(config: &Config, url: &SecretString, metrics: &Metrics) -> Result<CartDesk, db::Error> {
    let slots = config.cart.transactions_in_flight;
    let pool_limits = PoolLimits {
        workload: Workload::KeyLookups,
        connections_max: config.cart_connections(),
        acquire_wait_max: Duration::from_millis(config.database.acquire_ms_max),
        statement_max: config.transaction_limit(),
        lock_wait_max: Duration::from_millis(config.lock_ms_max),
    };
    let pool = db::pool::lazy(url, "splitcart carts", pool_limits)?;
    metrics.watch_pool("carts", pool.clone());
    let work = CartBatches {
        pool,
        transaction_limit: config.transaction_limit(),
        metrics: metrics.clone(),
    };
    let queue_wait_max = Duration::from_millis(config.queue_wait_ms_max);
    let limits = Limits {
        batch_max: config.cart.batch_max,
        batch_weight_max: config.batch_lines_max,
        transactions_overdue_max: slots,
        aside_max: config.aside_max,
        transactions_in_flight: slots,
        batch_min_in_parallel: config.cart.batch_min_in_parallel,
        queue_max: config.cart.queue_max,
        queue_wait_max,
        answer_wait_max: config.answer_wait_max(),
    };
    Ok(CartDesk::open(work, limits))
}
