//! Which vendors have an actor: started on first use, restarted when lost, put away when idle.
//!
//! The directory holds the only lasting address of an actor; when it lets go of it and nobody is
//! sending, actix stops the actor. Counting a sender in and putting an actor away both happen under
//! the entry's lock, so no message can be sent to an actor that is being put away.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use actix::{Actor, Addr, Handler, Message};
use dashmap::DashMap;

use crate::{domain::ids::VendorStoreId, metrics::Metrics};

use super::{
    checkout_batch::lent_tx::LentTx,
    vendor_inventory::{
        Demands, Outcomes, ReserveError, ReserveStock, StockReserved, TakeTurn, Timing,
        VendorInventory,
    },
};

struct Entry {
    address: Addr<VendorInventory>,
    /// Reservations sent and not answered yet.
    depth: usize,
    last_used: Instant,
}

/// See the module. Cloning shares it.
#[derive(Clone)]
pub struct VendorDirectory {
    vendors: Arc<DashMap<VendorStoreId, Entry>>,
    mailbox_max: usize,
    metrics: Metrics,
}

impl VendorDirectory {
    /// An empty directory. A mailbox holds as many reservations as transactions can run at once.
    pub fn new(transactions_in_flight: usize, metrics: Metrics) -> Self {
        Self {
            vendors: Arc::default(),
            mailbox_max: transactions_in_flight,
            metrics,
        }
    }

    /// Lends the transaction to each vendor's actor in turn, in ascending id, and gets it back with
    /// the turns of all and the outcomes of all. Must be called on the actors' arbiter, where missing
    /// actors are started. Dropping the future leaves at most one message behind, which is refused
    /// once `deadline` has passed.
    ///
    /// # Errors
    /// A failed statement, the deadline, or a lost actor; the transaction is rolled back.
    pub async fn reserve(
        &self,
        mut tx: LentTx,
        demands: Demands,
        deadline: Instant,
    ) -> Result<StockReserved, ReserveError> {
        let mut vendors = demands.keys().copied();
        let Some(last) = vendors.next_back() else {
            let outcomes = Outcomes::new();
            return Ok(StockReserved { tx, outcomes });
        };
        for vendor in vendors {
            let timing = Timing::now(deadline);
            tx = self.ask(vendor, TakeTurn { tx, timing }).await?;
        }
        let timing = Timing::now(deadline);
        let message = ReserveStock {
            tx,
            demands,
            timing,
        };
        self.ask(last, message).await
    }

    async fn ask<M, T>(&self, vendor: VendorStoreId, message: M) -> Result<T, ReserveError>
    where
        M: Message<Result = Result<T, ReserveError>> + Send + 'static,
        T: Send + 'static,
        VendorInventory: Handler<M>,
    {
        let place = self.enter(vendor);
        let answer = place.address.send(message).await;
        answer.unwrap_or(Err(ReserveError::ActorLost))
    }

    /// The vendors with the deepest mailboxes, deepest first.
    pub fn deepest(&self, most: usize) -> Vec<(VendorStoreId, usize)> {
        let busy = self.vendors.iter().filter(|entry| entry.depth > 0);
        let mut depths: Vec<_> = busy.map(|entry| (*entry.key(), entry.depth)).collect();
        depths.sort_unstable_by_key(|(vendor, depth)| (std::cmp::Reverse(*depth), *vendor));
        depths.truncate(most);
        depths
    }

    /// Puts away the actors that have been idle for so long; returns how many are left.
    pub fn put_away_idle(&self, idle_max: Duration) -> usize {
        self.vendors
            .retain(|_, entry| entry.depth > 0 || entry.last_used.elapsed() < idle_max);
        self.count_actors();
        self.vendors.len()
    }

    fn enter(&self, vendor: VendorStoreId) -> Place {
        let mut entry = self
            .vendors
            .entry(vendor)
            .or_insert_with(|| self.start(vendor));
        if !entry.address.connected() {
            tracing::warn!(vendor.store_id = %vendor, "restarting vendor {vendor}'s lost actor");
            let depth = entry.depth;
            *entry = Entry {
                depth,
                ..self.start(vendor)
            };
        }
        entry.depth += 1;
        entry.last_used = Instant::now();
        let address = entry.address.clone();
        drop(entry);
        self.metrics.vendor_mailbox_depth.inc();
        self.count_actors();
        Place {
            directory: self.clone(),
            vendor,
            address,
        }
    }

    fn start(&self, vendor: VendorStoreId) -> Entry {
        let actor = VendorInventory::new(vendor, self.mailbox_max, self.metrics.clone());
        Entry {
            address: actor.start(),
            depth: 0,
            last_used: Instant::now(),
        }
    }

    fn count_actors(&self) {
        self.metrics
            .vendor_actors
            .set(i64::try_from(self.vendors.len()).unwrap_or(i64::MAX));
    }
}

impl std::fmt::Debug for VendorDirectory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("VendorDirectory")
            .field("actors", &self.vendors.len())
            .finish_non_exhaustive()
    }
}

/// A place in a vendor's mailbox: counted from sending to answer, given up when dropped.
struct Place {
    directory: VendorDirectory,
    vendor: VendorStoreId,
    address: Addr<VendorInventory>,
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(mut entry) = self.directory.vendors.get_mut(&self.vendor) {
            entry.depth -= 1;
            entry.last_used = Instant::now();
        }
        self.directory.metrics.vendor_mailbox_depth.dec();
    }
}
