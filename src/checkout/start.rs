//! Opens the desk of checkouts, with the pool that it uses.

use std::time::Duration;

use secrecy::SecretString;
use tokio::sync::mpsc;

use crate::{
    batching::Limits,
    db::{
        self,
        outbox::{ClaimedEvent, FRESH_CLAIM},
        pool::{Limits as PoolLimits, Workload},
    },
    domain::terms::Terms,
    vendors::{Vendors, lent_tx::BEGIN_MAX},
};

use super::batch::{BatchContext, CheckoutDesk};

/// The time that PostgreSQL may take to report that a row is held, once it has waited for it.
const ANSWER_TO_A_LOCK_MAX: Duration = Duration::from_millis(250);

/// The options of checkouts.
#[derive(Clone, Debug)]
pub struct Options {
    /// The terms on which carts are bought.
    pub terms: Terms,
    /// The connections of the pool.
    pub connections_max: u32,
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
    /// The time for which a first answer is kept.
    pub keep_answers_for: Duration,
    /// The time for which a relay claims events.
    pub claim_lease: Duration,
    /// The limits of the desk and its batches.
    pub limits: Limits,
}

/// Opens the desk. Must be called on the arbiter of the vendors' actors. The pool connects when it is first
/// used.
///
/// # Errors
/// The database URL is malformed.
pub fn open(
    options: &Options,
    url: &SecretString,
    vendors: &Vendors,
    committed_events: mpsc::Sender<Vec<ClaimedEvent>>,
) -> Result<CheckoutDesk, db::Error> {
    let Vendors {
        directory,
        held_rows,
        metrics,
    } = vendors.clone();
    let pool_limits = PoolLimits {
        workload: Workload::KeyLookups,
        connections_max: options.connections_max,
        acquire_wait_max: options.acquire_wait_max,
        statement_max: options.transaction_max,
        lock_wait_max: options.lock_wait_max,
    };
    let pool = db::pool::lazy(url, "splitcart checkout", pool_limits)?;
    metrics.watch_pool("checkout", pool.clone());
    actix_rt::spawn(held_rows.clone().watch(pool.clone()));
    let context = BatchContext {
        pool,
        directory,
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
        metrics,
    };
    Ok(CheckoutDesk::open(context, options.limits))
}
