//! Starts the desk, the coordinator and the vendors' actors on an arbiter of their own, with the pool that
//! they use.

use std::time::Duration;

use actix_rt::Arbiter;
use secrecy::SecretString;
use tokio::sync::mpsc;

use crate::{
    batching::{Limits, arbiter},
    db::{
        self,
        outbox::ClaimedEvent,
        pool::{Limits as PoolLimits, Workload},
    },
    domain::terms::Terms,
    metrics::Metrics,
};

use super::{
    batch::{BatchContext, CheckoutDesk},
    held_rows::HeldRows,
    vendors::directory::VendorDirectory,
};

/// The time for which the writer of an event has it to itself, before any relay may publish it: what a
/// crash right after a commit delays the event by.
const FRESH_CLAIM: Duration = Duration::from_secs(5);

/// The time that a transaction may take to begin, the wait for a connection included. Its members, and
/// those that wait behind them, are to be answered within three seconds.
const BEGIN_MAX: Duration = Duration::from_secs(1);
/// The time that PostgreSQL may take to report that a row is held, once it has waited for it.
const ANSWER_TO_A_LOCK_MAX: Duration = Duration::from_millis(250);

/// The options of checkouts.
#[derive(Clone, Debug)]
pub struct Options {
    /// The terms on which carts are bought.
    pub terms: Terms,
    /// The connections of the pool.
    pub connections_max: u32,
    /// The transactions that can run at a time, overdue ones and the slow lane included.
    pub transactions_max: usize,
    /// The longest wait for a connection.
    pub acquire_wait_max: Duration,
    /// The time that a transaction may take up to its commit.
    pub transaction_max: Duration,
    /// The time that the commit may take.
    pub commit_wait_max: Duration,
    /// The longest wait of a statement for a row.
    pub lock_wait_max: Duration,
    /// The longest wait of a checkout, outside any transaction, for rows that others hold.
    pub held_wait_max: Duration,
    /// The most attempts at a lone checkout.
    pub attempts_max: u32,
    /// The time after which an idle vendor's actor is put away.
    pub vendor_idle_max: Duration,
    /// The time for which a first answer is kept.
    pub keep_answers_for: Duration,
    /// The time for which a relay claims events.
    pub claim_lease: Duration,
    /// The limits of the desk and its batches.
    pub limits: Limits,
}

/// The running actors.
#[derive(Debug)]
pub struct CheckoutActors {
    /// Takes checkouts.
    pub desk: CheckoutDesk,
    /// The vendors' actors.
    pub directory: VendorDirectory,
    arbiter: Arbiter,
}

impl CheckoutActors {
    /// Starts everything. The pool connects when it is first used.
    ///
    /// # Errors
    /// The database URL is malformed.
    pub async fn start(
        options: Options,
        database_url: &SecretString,
        metrics: &Metrics,
        committed_events: mpsc::Sender<Vec<ClaimedEvent>>,
    ) -> Result<Self, db::Error> {
        let (url, metrics) = (database_url.clone(), metrics.clone());
        let open = move || open(&options, &url, &metrics, committed_events);
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

fn open(
    options: &Options,
    url: &SecretString,
    metrics: &Metrics,
    committed_events: mpsc::Sender<Vec<ClaimedEvent>>,
) -> Result<(CheckoutDesk, VendorDirectory), db::Error> {
    let pool_limits = PoolLimits {
        workload: Workload::KeyLookups,
        connections_max: options.connections_max,
        acquire_wait_max: options.acquire_wait_max,
        statement_max: options.transaction_max,
        lock_wait_max: options.lock_wait_max,
    };
    let pool = db::pool::lazy(url, "splitcart checkout", pool_limits)?;
    metrics.watch_pool("checkout", pool.clone());
    let directory = VendorDirectory::new(options.transactions_max, metrics.clone());
    let held_rows = HeldRows::new(metrics.clone());
    actix_rt::spawn(held_rows.clone().watch(pool.clone()));
    actix_rt::spawn(
        directory
            .clone()
            .put_away_idle_actors(options.vendor_idle_max),
    );
    let context = BatchContext {
        pool,
        directory: directory.clone(),
        held_rows,
        terms: options.terms,
        batch_lines_max: options.limits.batch_weight_max,
        begin_wait_max: BEGIN_MAX.min(options.acquire_wait_max),
        transaction_limit: options.transaction_max,
        reserve_wait_max: options.lock_wait_max + ANSWER_TO_A_LOCK_MAX,
        commit_wait_max: options.commit_wait_max,
        held_wait_max: options.held_wait_max,
        attempts_max: options.attempts_max,
        keep_answers_for: options.keep_answers_for,
        claim_events_for: FRESH_CLAIM.min(options.claim_lease),
        committed_events,
        metrics: metrics.clone(),
    };
    Ok((CheckoutDesk::open(context, options.limits), directory))
}
