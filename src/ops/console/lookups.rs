//! What only PostgreSQL knows about vendors: the names of the hottest, and the details of the one that
//! somebody looks at. One task asks, one question at a time, each within a time limit, over the background
//! pool, and only while somebody watches.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use serde::Serialize;
use sqlx::PgPool;
use tokio::sync::{mpsc, oneshot};

use crate::{
    db::{
        self,
        hot_vendors::{
            HotProduct, LineOutcome, NamedVendor, NewestOrder, count_outcomes, find_hot_products,
            list_newest_orders, name_vendors,
        },
    },
    domain::ids::VendorStoreId,
};

use super::Console;

/// The most questions that wait. One more is refused.
pub(super) const WAITING_MAX: usize = 16;
/// The time that the answer to a question may take.
const ANSWER_MAX: Duration = Duration::from_secs(1);
/// The pause between two looks for names that are missing.
const NAME_EVERY: Duration = Duration::from_secs(1);
/// The time for which a name is used before it is looked up again: the product may be another one.
const NAMED_FOR: Duration = Duration::from_secs(20);
/// The names that are kept. Beyond it, names that are not wanted now are forgotten.
const NAMES_MAX: usize = 200;

/// A question about a vendor.
#[derive(Debug)]
pub struct Lookup {
    pub(super) vendor: VendorStoreId,
    pub(super) answer: oneshot::Sender<Result<Details, db::Error>>,
}

/// What PostgreSQL knows about a vendor.
#[derive(Debug, Serialize)]
pub(super) struct Details {
    pub name: Option<String>,
    pub product: Option<String>,
    pub outcomes: Vec<LineOutcome>,
    pub products: Vec<HotProduct>,
    pub orders: Vec<NewestOrder>,
}

/// The names of the hottest vendors, as far as they are known.
#[derive(Debug, Default)]
pub(super) struct Names(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    names: HashMap<VendorStoreId, (Instant, NamedVendor)>,
    wanted: Vec<VendorStoreId>,
}

impl Names {
    pub(super) fn of(&self, vendor: VendorStoreId) -> Option<NamedVendor> {
        let known = self.known();
        known.names.get(&vendor).map(|(_, named)| named.clone())
    }

    /// Sets the vendors whose names are needed now.
    pub(super) fn want(&self, vendors: Vec<VendorStoreId>) {
        self.known().wanted = vendors;
    }

    fn missing(&self) -> Vec<VendorStoreId> {
        let known = self.known();
        let is_known = |vendor: &VendorStoreId| {
            let named = known.names.get(vendor);
            named.is_some_and(|(at, _)| at.elapsed() < NAMED_FOR)
        };
        let missing = known.wanted.iter().filter(|vendor| !is_known(vendor));
        missing.copied().collect()
    }

    fn keep(&self, named: Vec<NamedVendor>) {
        let mut known = self.known();
        let now = Instant::now();
        for named in named {
            known.names.insert(named.id, (now, named));
        }
        if known.names.len() > NAMES_MAX {
            let Known { names, wanted } = &mut *known;
            names.retain(|vendor, _| wanted.contains(vendor));
        }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Answers questions and keeps the names current, for as long as the runtime lasts.
pub async fn look_up(console: Console, pool: PgPool, mut asked: mpsc::Receiver<Lookup>) {
    let mut ticks = tokio::time::interval(NAME_EVERY);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            lookup = asked.recv() => {
                let Some(Lookup { vendor, answer }) = lookup else {
                    return;
                };
                if !answer.is_closed() {
                    drop(answer.send(find_details(&pool, vendor).await));
                }
            }
            _ = ticks.tick() => {
                if console.is_watched() {
                    name_missing(&console, &pool).await;
                }
            }
        }
    }
}

async fn name_missing(console: &Console, pool: &PgPool) {
    let names = &console.0.names;
    let missing = names.missing();
    if missing.is_empty() {
        return;
    }
    let found = db::glance_within(pool, ANSWER_MAX, async |connection| {
        name_vendors(connection, &missing).await
    });
    match found.await {
        Ok(found) => names.keep(found),
        // The page shows ids until the next look.
        Err(error) => tracing::debug!("the hottest vendors could not be named: {error}"),
    }
}

async fn find_details(pool: &PgPool, vendor: VendorStoreId) -> Result<Details, db::Error> {
    db::glance_within(pool, ANSWER_MAX, async |connection| {
        let named = name_vendors(connection, &[vendor]).await?.pop();
        let (name, product) = named.map_or((None, None), |it| (Some(it.name), it.product));
        Ok(Details {
            name,
            product,
            outcomes: count_outcomes(connection, vendor).await?,
            products: find_hot_products(connection, vendor).await?,
            orders: list_newest_orders(connection, vendor).await?,
        })
    })
    .await
}
