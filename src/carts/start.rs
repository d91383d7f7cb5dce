//! Starts the cart desk on an arbiter of its own, with the pool that it uses.

use std::time::Duration;

use actix_rt::Arbiter;
use secrecy::SecretString;

use crate::{
    batching::{Limits, arbiter},
    db::{
        self,
        pool::{Limits as PoolLimits, Workload},
    },
    metrics::{Metrics, event_loop},
};

use super::{
    Promises,
    batch::{CartBatches, CartDesk},
};

/// The options of carts.
#[derive(Clone, Debug)]
pub struct Options {
    /// The promises about a cart.
    pub promises: Promises,
    /// The connections of the pool.
    pub connections_max: u32,
    /// The longest wait for a connection.
    pub acquire_wait_max: Duration,
    /// The time that a transaction may take.
    pub transaction_max: Duration,
    /// The longest wait of a lone PUT for a cart that others hold.
    pub lone_lock_wait_max: Duration,
    /// The limits of the desk and its batches.
    pub limits: Limits,
}

/// The running desk.
#[derive(Debug)]
pub struct Carts {
    /// Takes carts that are to be frozen.
    pub desk: CartDesk,
    arbiter: Arbiter,
}

impl Carts {
    /// Starts everything. The pool connects when it is first used.
    ///
    /// # Errors
    /// The database URL is malformed.
    pub async fn start(
        options: Options,
        database_url: &SecretString,
        metrics: &Metrics,
    ) -> Result<Self, db::Error> {
        let (url, metrics) = (database_url.clone(), metrics.clone());
        let (desk, arbiter) = arbiter::open_on_new(move || open(&options, &url, &metrics)).await;
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

fn open(options: &Options, url: &SecretString, metrics: &Metrics) -> Result<CartDesk, db::Error> {
    actix_rt::spawn(event_loop::measure(metrics.clone(), "carts"));
    let pool_limits = PoolLimits {
        workload: Workload::KeyLookups,
        connections_max: options.connections_max,
        acquire_wait_max: options.acquire_wait_max,
        statement_max: options.transaction_max,
        // PUTs that share a transaction wait for none of their carts for long.
        lock_wait_max: (options.lone_lock_wait_max / 5).max(Duration::from_millis(1)),
    };
    let pool = db::pool::lazy(url, "splitcart carts", pool_limits)?;
    metrics.watch_pool("carts", pool.clone());
    let work = CartBatches {
        pool,
        transaction_limit: options.transaction_max,
        lone_lock_wait_max: options.lone_lock_wait_max,
        promises: options.promises,
        metrics: metrics.clone(),
    };
    Ok(CartDesk::open(work, options.limits))
}
