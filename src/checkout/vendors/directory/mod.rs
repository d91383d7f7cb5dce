//! Which vendors have an actor: started on first use, restarted when lost, put away when idle.
//!
//! The directory holds the only lasting address of an actor; when it lets go of it actix stops the
//! actor. Whoever sends a message takes a [`Place`] first, which travels with the message and then
//! with the turn, and an actor with a place taken is never put away. Taking a place and putting away
//! both happen under the entry's lock, so no message can be sent to an actor that is being put away,
//! and no vendor can have two actors with a turn out.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use actix::{Actor, Addr, Handler, Message};
use dashmap::DashMap;

use crate::{domain::ids::VendorStoreId, metrics::Metrics};

use super::{
    actor::{
        Reservation, ReserveError, ReserveStock, StockReserved, TakeTurn, Timing, VendorInventory,
    },
    lent_tx::{LentTx, Turn},
};

/// Putting an actor away takes about a microsecond, its own end included: so many delay nobody.
const PUT_AWAY_AT_ONCE: usize = 64;

struct Entry {
    address: Addr<VendorInventory>,
    /// Places taken: messages in the mailbox, and the turn that is out.
    depth: usize,
    last_used: Instant,
}

/// See the module. Cloning shares it.
#[derive(Clone)]
pub struct VendorDirectory(Arc<Shared>);

struct Shared {
    vendors: DashMap<VendorStoreId, Entry>,
    mailbox_max: usize,
    metrics: Arc<Metrics>,
}

impl VendorDirectory {
    /// An empty directory. A mailbox holds as many reservations as transactions can run at once.
    pub fn new(transactions_max: usize, metrics: Metrics) -> Self {
        Self(Arc::new(Shared {
            vendors: DashMap::new(),
            mailbox_max: transactions_max,
            metrics: Arc::new(metrics),
        }))
    }

    /// Takes the vendors' turns in ascending id and lends the transaction to the last one's actor;
    /// it comes back with the turns of all. Must be called on the actors' arbiter, where missing actors
    /// are started. Dropping the future leaves at most one message behind, which is refused once
    /// `deadline` has passed. The reservation itself may take `reserve_max`.
    ///
    /// # Errors
    /// A failed statement, the deadline, or a lost actor; the transaction is rolled back.
    pub async fn reserve(
        &self,
        mut tx: LentTx,
        reservation: Reservation,
        deadline: Instant,
        reserve_max: Duration,
    ) -> Result<StockReserved, ReserveError> {
        let mut vendors = reservation.vendors().into_iter();
        let Some(last) = vendors.next_back() else {
            let reserved = Ok(reservation.of_nothing());
            return Ok(StockReserved { tx, reserved });
        };
        for vendor in vendors {
            tx.keep(self.take_turn(vendor, deadline).await?);
        }
        let (address, place) = self.enter(last);
        let message = ReserveStock {
            tx,
            place,
            reservation,
            timing: Timing::now(deadline),
            reserve_max,
        };
        ask(&address, message).await
    }

    /// Waits for a vendor's turn. Like [`reserve`](Self::reserve) for the actors' arbiter only.
    ///
    /// # Errors
    /// The deadline, or a lost actor.
    pub async fn take_turn(
        &self,
        vendor: VendorStoreId,
        deadline: Instant,
    ) -> Result<Turn, ReserveError> {
        let (address, place) = self.enter(vendor);
        let timing = Timing::now(deadline);
        ask(&address, TakeTurn { place, timing }).await
    }

    /// The vendors with the deepest mailboxes, deepest first.
    pub fn deepest(&self, most: usize) -> Vec<(VendorStoreId, usize)> {
        let busy = self.0.vendors.iter().filter(|entry| entry.depth > 0);
        let mut depths: Vec<_> = busy.map(|entry| (*entry.key(), entry.depth)).collect();
        depths.sort_unstable_by_key(|(vendor, depth)| (std::cmp::Reverse(*depth), *vendor));
        depths.truncate(most);
        depths
    }

    /// Puts away the actors that have been idle for so long, a few at a time, and lets whoever else
    /// wants this thread go on in between. Returns how many.
    pub async fn put_away_idle(&self, idle_max: Duration) -> usize {
        let now = Instant::now();
        let is_idle = |entry: &Entry| {
            entry.depth == 0 && now.saturating_duration_since(entry.last_used) >= idle_max
        };
        let vendors = &self.0.vendors;
        let mut idle = Vec::with_capacity(vendors.len());
        // Keeps all: this is `iter` without a guard per entry, which takes most of its time.
        vendors.retain(|vendor, entry| {
            if is_idle(entry) {
                idle.push(*vendor);
            }
            true
        });
        let mut put_away = 0;
        for few in idle.chunks(PUT_AWAY_AT_ONCE) {
            for vendor in few {
                // Somebody may have come since.
                let removed = vendors.remove_if(vendor, |_, entry| is_idle(entry));
                if removed.is_some() {
                    self.0.metrics.vendor_actors.dec();
                    put_away += 1;
                }
            }
            tokio::task::yield_now().await;
        }
        put_away
    }

    fn enter(&self, vendor: VendorStoreId) -> (Addr<VendorInventory>, Place) {
        let mut entry = self.0.vendors.entry(vendor).or_insert_with(|| {
            self.0.metrics.vendor_actors.inc();
            self.start()
        });
        if !entry.address.connected() {
            tracing::warn!(vendor.store_id = %vendor, "restarting vendor {vendor}'s lost actor");
            let depth = entry.depth;
            *entry = Entry {
                depth,
                ..self.start()
            };
        }
        entry.depth += 1;
        self.0.metrics.vendor_mailbox_depth.inc();
        let place = Place {
            directory: self.clone(),
            vendor,
        };
        (entry.address.clone(), place)
    }

    fn start(&self) -> Entry {
        let actor = VendorInventory::new(self.0.mailbox_max, Arc::clone(&self.0.metrics));
        Entry {
            address: actor.start(),
            depth: 0,
            last_used: Instant::now(),
        }
    }
}

async fn ask<M, T>(address: &Addr<VendorInventory>, message: M) -> Result<T, ReserveError>
where
    M: Message<Result = Result<T, ReserveError>> + Send + 'static,
    T: Send + 'static,
    VendorInventory: Handler<M>,
{
    let answer = address.send(message).await;
    answer.unwrap_or(Err(ReserveError::ActorLost))
}

impl std::fmt::Debug for VendorDirectory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("VendorDirectory")
            .field("actors", &self.0.vendors.len())
            .finish_non_exhaustive()
    }
}

/// A place in a vendor's mailbox: taken before a message is sent, given up when the turn that the
/// message has got ends, or the message is lost.
#[derive(Debug)]
pub struct Place {
    directory: VendorDirectory,
    vendor: VendorStoreId,
}

impl Place {
    /// Whose mailbox it is in.
    pub fn vendor(&self) -> VendorStoreId {
        self.vendor
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let shared = &self.directory.0;
        if let Some(mut entry) = shared.vendors.get_mut(&self.vendor) {
            entry.depth -= 1;
            entry.last_used = Instant::now();
        }
        shared.metrics.vendor_mailbox_depth.dec();
    }
}

#[cfg(test)]
mod tests;
