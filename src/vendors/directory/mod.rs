//! The directory of vendors' actors: started on first use, restarted when lost, put away when idle
//! (`idle`).
//!
//! The directory holds the only lasting address of an actor: actix stops the actor when the directory drops
//! it. A sender takes a place (`turn::Place`) before it sends a message, and an actor with a place taken is
//! never put away. Taking a place and putting away both happen under the entry's lock, so no message can be
//! sent to an actor that is being put away, and no vendor can have two actors with a turn out.

mod idle;

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
    time::{Duration, Instant},
};

use actix::{Actor, Addr, Handler, Message};
use dashmap::DashMap;

use crate::{
    domain::{ids::VendorStoreId, reservation::Bid},
    metrics::Metrics,
};

use super::{
    activity::{Pace, Sighting},
    actor::{ReserveError, ReserveStock, StockReserved, TakeTurn, Timing, VendorActor},
    lent_tx::LentTx,
    reservation::Reservation,
    turn::{Place, Places, Turn},
};

struct Entry {
    address: Addr<VendorActor>,
    places: Arc<Places>,
}

/// The directory. Clones share it.
#[derive(Clone)]
pub struct VendorDirectory(Arc<Shared>);

struct Shared {
    vendors: DashMap<VendorStoreId, Entry>,
    mailbox_max: usize,
    metrics: Arc<Metrics>,
}

impl VendorDirectory {
    /// An empty directory. A mailbox holds as many reservations as transactions can run at a time.
    pub fn new(transactions_max: usize, metrics: Metrics) -> Self {
        Self(Arc::new(Shared {
            vendors: DashMap::new(),
            mailbox_max: transactions_max,
            metrics: Arc::new(metrics),
        }))
    }

    /// Takes the vendors' turns in ascending id and lends the transaction to the actor of the last one. It
    /// comes back with the turns of all. Must be called on the actors' arbiter, where missing actors are
    /// started. Dropping the future leaves at most one message behind, which is refused once `deadline` has
    /// passed. The reservation itself may take `reserve_max`.
    ///
    /// # Errors
    /// A failed statement, the deadline, or a lost actor; the transaction is rolled back.
    pub(crate) async fn reserve(
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

    /// Takes the turns of vendors in ascending id, for the rest of the transaction. Must be called on the
    /// actors' arbiter.
    ///
    /// # Errors
    /// The deadline, or a lost actor.
    pub(crate) async fn take_turns(
        &self,
        tx: &mut LentTx,
        vendors: BTreeSet<VendorStoreId>,
        deadline: Instant,
    ) -> Result<(), ReserveError> {
        for vendor in vendors {
            tx.keep(self.take_turn(vendor, deadline).await?);
        }
        Ok(())
    }

    /// Waits for a vendor's turn. Must be called on the actors' arbiter.
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
        let entries = self.0.vendors.iter();
        let depths = entries.map(|entry| (*entry.key(), entry.places.taken()));
        let mut depths: Vec<_> = depths.filter(|(_, depth)| *depth > 0).collect();
        depths.sort_unstable_by_key(|(vendor, depth)| (std::cmp::Reverse(*depth), *vendor));
        depths.truncate(most);
        depths
    }

    /// Shows every live actor as it is now. For one caller only, which looks again and again: an actor's
    /// rates are those since the previous look.
    pub fn look(&self, mut see: impl FnMut(Sighting<'_>)) {
        for entry in &self.0.vendors {
            let (vendor, places) = (*entry.key(), &entry.places);
            places.activity.look(vendor, places.taken(), &mut see);
        }
    }

    /// The depth of a live actor's mailbox now, and the pace that the last look has seen.
    pub fn last_look_at(&self, vendor: VendorStoreId) -> Option<(usize, Pace)> {
        let entry = self.0.vendors.get(&vendor)?;
        Some((entry.places.taken(), entry.places.activity.last_seen()))
    }

    /// Counts the lines that bids are about to ask of vendors. Those of vendors without an actor are not
    /// counted: it is started by their first turn.
    pub(crate) fn count_lines(&self, bids: &[Bid]) {
        let mut lines: HashMap<VendorStoreId, u64> = HashMap::new();
        for demand in bids.iter().flat_map(|bid| &bid.demands) {
            *lines.entry(demand.stock.vendor_store_id).or_default() += 1;
        }
        for (vendor, lines) in lines {
            if let Some(entry) = self.0.vendors.get(&vendor) {
                entry.places.activity.count_lines(lines);
            }
        }
    }

    fn enter(&self, vendor: VendorStoreId) -> (Addr<VendorActor>, Place) {
        let mut entry = self.0.vendors.entry(vendor).or_insert_with(|| {
            self.0.metrics.vendor_actors.inc();
            let depth = self.0.metrics.vendor_mailbox_depth.clone();
            Entry {
                address: self.start(),
                places: Arc::new(Places::new(vendor, depth)),
            }
        });
        if !entry.address.connected() {
            tracing::warn!(vendor.store_id = %vendor, "restarting vendor {vendor}'s lost actor");
            entry.address = self.start();
        }
        let place = entry.places.take();
        (entry.address.clone(), place)
    }

    fn start(&self) -> Addr<VendorActor> {
        VendorActor::new(self.0.mailbox_max, Arc::clone(&self.0.metrics)).start()
    }
}

async fn ask<M, T>(address: &Addr<VendorActor>, message: M) -> Result<T, ReserveError>
where
    M: Message<Result = Result<T, ReserveError>> + Send + 'static,
    T: Send + 'static,
    VendorActor: Handler<M>,
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

#[cfg(test)]
mod tests;
