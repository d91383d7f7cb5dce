//! The arbiter of the vendors' actors and the desks on it: whatever takes vendors' turns runs there.

use actix_rt::Arbiter;
use secrecy::SecretString;
use tokio::sync::mpsc;

use crate::{
    batching::arbiter,
    checkout::{self, batch::CheckoutDesk},
    db::{self, outbox::ClaimedEvent},
    inventory::{self, desk::CountDesk},
    metrics::{Metrics, event_loop},
    orders::{self, batch::OrderDesk},
    vendors::{Vendors, directory::VendorDirectory},
};

use super::options::Options;

/// The running desks, and the vendors' actors that they share.
#[derive(Debug)]
pub struct Actors {
    pub desks: Desks,
    pub directory: VendorDirectory,
    arbiter: Arbiter,
}

/// The desks on the arbiter.
#[derive(Clone, Debug)]
pub struct Desks {
    pub checkouts: CheckoutDesk,
    pub orders: OrderDesk,
    pub counts: CountDesk,
}

impl Actors {
    /// Starts everything. The pools connect when they are first used.
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
        let open = move || {
            actix_rt::spawn(event_loop::measure(metrics.clone(), "actors"));
            let vendors = Vendors::open(options.vendors, &metrics);
            let desks = Desks {
                checkouts: checkout::start::open(
                    &options.checkouts,
                    &url,
                    &vendors,
                    committed_events.clone(),
                )?,
                orders: orders::start::open(
                    &options.orders,
                    &url,
                    &vendors,
                    committed_events.clone(),
                )?,
                counts: inventory::start::open(&options.counts, &url, &vendors, committed_events)?,
            };
            Ok((desks, vendors.directory))
        };
        let (opened, arbiter) = arbiter::open_on_new(open).await;
        let (desks, directory) = opened?;
        Ok(Self {
            desks,
            directory,
            arbiter,
        })
    }

    /// Waits until nothing is queued or running, then stops the arbiter.
    pub async fn stop(self) {
        self.desks.drained().await;
        arbiter::stop(self.arbiter).await;
    }
}

impl Desks {
    /// Refuses whatever is handed in from now on.
    pub fn close(&self) {
        self.checkouts.close();
        self.orders.close();
        self.counts.close();
    }

    async fn drained(&self) {
        self.checkouts.drained().await;
        self.orders.drained().await;
        self.counts.drained().await;
    }
}
