//! Starts the cart desk on an arbiter of its own, with the pool that it uses.

use std::time::Duration;

use actix_rt::Arbiter;
use chrono::TimeDelta;
use secrecy::SecretString;

use crate::{
    batching::{Limits, arbiter},
    config::{self, Config},
    db::{
        self,
        pool::{Limits as PoolLimits, Workload},
    },
    domain::cart::PriceHold,
    metrics::Metrics,
};

use super::{
    Promises,
    batch::{CartBatches, CartDesk},
};

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

/// What the settings promise with a cart.
///
/// An answer is kept no longer than the cart's prices are held: a PUT that is sent again after that is
/// to price the cart anew, also under its old key.
pub fn promises(config: &Config) -> Promises {
    let length = |time| TimeDelta::from_std(time).expect("configuration bounds it");
    let kept = length(Duration::from_hours(config.idempotency.cart_hours));
    match config.cart.price_hold {
        config::PriceHold::Off => Promises {
            price_hold: PriceHold::FOR_EVER,
            keep_answers_for: kept,
        },
        config::PriceHold::Lasting(hold) => Promises {
            price_hold: PriceHold::lasting(length(hold)),
            keep_answers_for: kept.min(length(hold)),
        },
    }
}

fn open(config: &Config, url: &SecretString, metrics: &Metrics) -> Result<CartDesk, db::Error> {
    let slots = config.cart.transactions_in_flight;
    let lone_lock_wait_max = Duration::from_millis(config.lock_ms_max);
    let pool_limits = PoolLimits {
        workload: Workload::KeyLookups,
        connections_max: config.cart_connections(),
        acquire_wait_max: Duration::from_millis(config.database.acquire_ms_max),
        statement_max: config.transaction_limit(),
        // Those who share a transaction wait for none of them for long.
        lock_wait_max: (lone_lock_wait_max / 5).max(Duration::from_millis(1)),
    };
    let pool = db::pool::lazy(url, "splitcart carts", pool_limits)?;
    metrics.watch_pool("carts", pool.clone());
    let work = CartBatches {
        pool,
        transaction_limit: config.transaction_limit(),
        lone_lock_wait_max,
        promises: promises(config),
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
