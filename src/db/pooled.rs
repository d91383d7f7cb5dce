//! What must be known of a pool beside sqlx's own options: its hosts, and whether its transactions bring
//! their settings along.
//!
//! `PgPool` has no room for it, so it is found by the pool's `application_name`. A process whose
//! PostgreSQL is one host without a pooler has nothing here, and its transactions look nothing up.

use std::{
    collections::HashMap,
    sync::{
        Arc, LazyLock, PoisonError, RwLock,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use sqlx::{PgPool, postgres::PgConnectOptions};

use super::{
    address::{Address, Pooling, StatementNames},
    pool::Limits,
    session_settings::{Scope, as_columns},
};

static POOLS: LazyLock<RwLock<HashMap<String, Arc<Traits>>>> = LazyLock::new(RwLock::default);
static ANY: AtomicBool = AtomicBool::new(false);
/// True if a pooler forgets statements: they are prepared again in every transaction, under names that an
/// earlier transaction of anybody may have left in the session.
static FORGETS_STATEMENTS: AtomicBool = AtomicBool::new(false);

/// Frees the names of prepared statements.
const FREE_NAMES: &str = "; deallocate all";

#[derive(Debug)]
pub(super) struct Traits {
    /// What to connect with, by host, where there are several.
    pub(super) hosts: Vec<PgConnectOptions>,
    /// The limits that each transaction must set.
    by_transaction: Option<Limits>,
}

/// Records what is special about a pool's server.
pub(super) fn remember(address: &Address, name: &str, limits: &Limits) {
    remember_names(address);
    let by_transaction = (address.pooling != Pooling::Sessions).then_some(*limits);
    if by_transaction.is_none() && address.hosts.len() == 1 {
        return;
    }
    let hosts = address.hosts.iter().cloned();
    let traits = Traits {
        hosts: hosts.map(|host| host.application_name(name)).collect(),
        by_transaction,
    };
    let mut pools = POOLS.write().unwrap_or_else(PoisonError::into_inner);
    pools.insert(name.to_owned(), Arc::new(traits));
    ANY.store(true, Ordering::Relaxed);
}

/// Records whether statements are forgotten between transactions.
pub(super) fn remember_names(address: &Address) {
    if address.pooling == Pooling::Transactions(StatementNames::Forgotten) {
        FORGETS_STATEMENTS.store(true, Ordering::Relaxed);
    }
}

/// What is special about a pool's server, if anything is.
pub(super) fn traits_of(pool: &PgPool) -> Option<Arc<Traits>> {
    if !ANY.load(Ordering::Relaxed) {
        return None;
    }
    let options = pool.connect_options();
    let name = options.get_application_name()?;
    let pools = POOLS.read().unwrap_or_else(PoisonError::into_inner);
    pools.get(name).cloned()
}

/// The statement that must follow the `begin` of a transaction that prepares statements. Before it, it would
/// begin a transaction with the session's own isolation.
pub(super) fn after_begin() -> &'static str {
    if FORGETS_STATEMENTS.load(Ordering::Relaxed) {
        FREE_NAMES
    } else {
        ""
    }
}

impl Traits {
    /// The columns that make the settings of a transaction, if it must make them.
    pub(super) fn columns(&self, lock_wait_max: Option<Duration>) -> Option<String> {
        let mut limits = self.by_transaction?;
        if let Some(lock_wait_max) = lock_wait_max {
            limits.lock_wait_max = lock_wait_max;
        }
        Some(as_columns(&limits, Scope::Transaction))
    }

    /// The statements that begin a transaction with its settings, sent as one.
    pub(super) fn begin(&self, how: &str) -> Option<String> {
        let columns = self.columns(None)?;
        Some(format!("begin {how}{}; select {columns}", after_begin()))
    }
}

/// The way of transactions whose session may have other defaults.
pub(super) const READ_COMMITTED: &str = "isolation level read committed read write";
