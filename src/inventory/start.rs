//! Opens the desk of stock counts, with the pool that it uses.

use std::time::Duration;

use chrono::TimeDelta;
use secrecy::SecretString;
use tokio::sync::mpsc;

use crate::{
    batching::Limits,
    db::{
        self,
        outbox::{ClaimedEvent, FRESH_CLAIM},
        pool::{Limits as PoolLimits, Workload},
    },
    vendors::{Vendors, lent_tx::BEGIN_MAX, unit_of_work::UnitOfWork},
};

use super::desk::{CountContext, CountDesk};

/// The options of stock counts.
#[derive(Clone, Debug)]
pub struct Options {
    /// The connections of the pool.
    pub connections_max: u32,
    /// The longest wait for a connection.
    pub acquire_wait_max: Duration,
    /// The time that a transaction may take up to its commit.
    pub transaction_max: Duration,
    /// The time that the commit may take.
    pub commit_wait_max: Duration,
    /// The longest wait of a statement for a row that is no stock, such as a product's.
    pub lock_wait_max: Duration,
    /// The longest wait of a count, outside any transaction, for rows that others hold.
    pub held_wait_max: Duration,
    /// The most attempts at a count.
    pub attempts_max: u32,
    /// The time for which a first answer is kept.
    pub keep_answers_for: TimeDelta,
    /// The time for which a relay claims events.
    pub claim_lease: Duration,
    /// The limits of the desk.
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
) -> Result<CountDesk, db::Error> {
    let pool_limits = PoolLimits {
        workload: Workload::KeyLookups,
        connections_max: options.connections_max,
        acquire_wait_max: options.acquire_wait_max,
        statement_max: options.transaction_max,
        lock_wait_max: options.lock_wait_max,
    };
    let pool = db::pool::lazy(url, "splitcart inventory", pool_limits)?;
    vendors.metrics.watch_pool("inventory", pool.clone());
    let context = CountContext {
        unit_of_work: UnitOfWork {
            pool,
            held_rows: vendors.held_rows.clone(),
            begin_wait_max: BEGIN_MAX.min(options.acquire_wait_max),
            transaction_max: options.transaction_max,
            commit_wait_max: options.commit_wait_max,
        },
        vendors: vendors.clone(),
        held_wait_max: options.held_wait_max,
        attempts_max: options.attempts_max,
        keep_answers_for: options.keep_answers_for,
        claim_events_for: FRESH_CLAIM.min(options.claim_lease),
        committed_events,
    };
    Ok(CountDesk::open(context, options.limits))
}
