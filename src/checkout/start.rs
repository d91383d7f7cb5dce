//! Starts the actors on an arbiter of their own, with the pool that they use.

use std::time::Duration;

use actix_rt::Arbiter;
use chrono::TimeDelta;
use secrecy::SecretString;
use tokio::sync::mpsc;

use crate::{
    batching::{Limits, arbiter},
    config::{self, Config},
    db::{
        self,
        outbox::ClaimedEvent,
        pool::{Limits as PoolLimits, Workload},
    },
    domain::{
        cart::PriceHold,
        terms::{PaymentPolicy, Terms},
    },
    metrics::Metrics,
};

use super::{
    batch::{BatchContext, CheckoutDesk},
    held_rows::HeldRows,
    vendors::directory::VendorDirectory,
};

/// How long the writer of an event has to publish it before any relay may: what a crash right after a
/// commit delays its announcement by.
const FRESH_CLAIM: Duration = Duration::from_secs(5);

/// How long a transaction may take to begin, the wait for a connection included: all of its members, and
/// those who wait behind them, are to be answered within three seconds.
const BEGIN_MAX: Duration = Duration::from_secs(1);
/// How long PostgreSQL may take to say that a row is held, once it has waited for it.
const ANSWER_TO_A_LOCK_MAX: Duration = Duration::from_millis(250);

/// The running actors.
#[derive(Debug)]
pub struct CheckoutActors {
    /// Where checkouts are handed in.
    pub desk: CheckoutDesk,
    /// Whom to ask about the vendors' actors.
    pub directory: VendorDirectory,
    arbiter: Arbiter,
}

impl CheckoutActors {
    /// Starts everything. The pool connects when it is first used.
    ///
    /// # Errors
    /// The database URL is malformed.
    pub async fn start(
        config: &Config,
        database_url: &SecretString,
        metrics: &Metrics,
        committed_events: mpsc::Sender<Vec<ClaimedEvent>>,
    ) -> Result<Self, db::Error> {
        let (config, url, metrics) = (config.clone(), database_url.clone(), metrics.clone());
        let open = move || open(&config, &url, &metrics, committed_events);
        let (opened, arbiter) = arbiter::open_on_new(open).await;
        let (desk, directory) = opened?;
        Ok(Self {
            desk,
            directory,
            arbiter,
        })
    }

    /// Waits until nothing is queued or running, then stops the arbiter.
    pub async fn stop(self) {
        self.desk.drained().await;
        arbiter::stop(self.arbiter).await;
    }
}

/// On which terms this service sells.
pub fn terms(config: &Config) -> Terms {
    Terms {
        payment_policy: if config.allow_ach {
            PaymentPolicy::CashAndAch
        } else {
            PaymentPolicy::CashOnly
        },
        price_hold: match config.cart.price_hold {
            config::PriceHold::Off => PriceHold::FOR_EVER,
            config::PriceHold::Lasting(time) => {
                PriceHold::lasting(TimeDelta::from_std(time).expect("configuration bounds it"))
            }
        },
    }
}

fn open(
    config: &Config,
    url: &SecretString,
    metrics: &Metrics,
    committed_events: mpsc::Sender<Vec<ClaimedEvent>>,
) -> Result<(CheckoutDesk, VendorDirectory), db::Error> {
    let pool_limits = PoolLimits {
        workload: Workload::KeyLookups,
        connections_max: config.checkout_connections(),
        acquire_wait_max: Duration::from_millis(config.database.acquire_ms_max),
        statement_max: config.transaction_limit(),
        lock_wait_max: Duration::from_millis(config.lock_ms_max),
    };
    let pool = db::pool::lazy(url, "splitcart checkout", pool_limits)?;
    metrics.watch_pool("checkout", pool.clone());
    let directory = VendorDirectory::new(config.checkout_transactions(), metrics.clone());
    let held_rows = HeldRows::new(metrics.clone());
    actix_rt::spawn(held_rows.clone().watch(pool.clone()));
    put_away_idle_actors(
        directory.clone(),
        Duration::from_secs(config.vendors.idle_s_max),
    );
    let context = BatchContext {
        pool,
        directory: directory.clone(),
        held_rows,
        terms: terms(config),
        batch_lines_max: config.batch_lines_max,
        begin_wait_max: BEGIN_MAX.min(Duration::from_millis(config.database.acquire_ms_max)),
        transaction_limit: config.transaction_limit(),
        reserve_wait_max: Duration::from_millis(config.lock_ms_max) + ANSWER_TO_A_LOCK_MAX,
        commit_wait_max: Duration::from_millis(config.commit_ms_max),
        held_wait_max: Duration::from_millis(config.held_wait_ms_max),
        attempts_max: config.attempts_max,
        keep_answers_for: Duration::from_hours(config.idempotency.checkout_days * 24),
        claim_events_for: FRESH_CLAIM.min(Duration::from_secs(config.outbox.claim_lease_s)),
        committed_events,
        metrics: metrics.clone(),
    };
    let queue_wait_max = Duration::from_millis(config.queue_wait_ms_max);
    let limits = Limits {
        batch_max: config.batch_max,
        batch_weight_max: config.batch_lines_max,
        transactions_overdue_max: config.transactions_overdue_max,
        aside_max: config.aside_max,
        transactions_in_flight: config.transactions_in_flight,
        batch_min_in_parallel: config.batch_min_in_parallel,
        queue_max: config.queue_max,
        queue_wait_max,
        answer_wait_max: config.answer_wait_max(),
    };
    Ok((CheckoutDesk::open(context, limits), directory))
}

fn put_away_idle_actors(directory: VendorDirectory, idle_max: Duration) {
    let mut ticks = tokio::time::interval((idle_max / 4).max(Duration::from_millis(100)));
    actix_rt::spawn(async move {
        loop {
            ticks.tick().await;
            directory.put_away_idle(idle_max).await;
        }
    });
}
