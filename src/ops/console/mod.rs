//! `/ops`, the live console: what the service does now, for an operator. Nothing here changes data.
//!
//! | piece | owns |
//! |---|---|
//! | [`sampler`] | the task that reads the metrics once a second |
//! | `figures` | which figures it keeps, and for how long: 15 minutes |
//! | `histograms` | percentiles, sizes and stages, from histograms |
//! | `actors_map` | the places of vendors' actors in the map, and the map as it is sent |
//! | [`dependencies`] | whether PostgreSQL and Redis answer now |
//! | [`verdict`] | the first sentence: pure |
//! | `moment` | what is sent once a second |
//! | [`last_audit`] | the last audit, from its file |
//! | [`lookups`] | names of vendors and details of one vendor, from PostgreSQL |
//! | `stream` | watchers, and the routes |
//! | `assets` | the page and its files |
//!
//! The metrics are the only source, so the console shows what Prometheus shows. A second costs a reading of
//! each metric and a look at each live actor, whether anybody watches or not; the statements of `lookups`
//! run only while somebody does.

mod actors_map;
mod assets;
pub mod dependencies;
mod figures;
mod histograms;
pub mod last_audit;
pub mod lookups;
mod moment;
pub mod sampler;
mod stream;
pub mod verdict;

use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError,
    atomic::{AtomicI64, Ordering},
};

use actix_web::web;
use chrono::Utc;
use serde::Serialize;
use tokio::sync::{mpsc, watch};

use self::{
    actors_map::Places,
    dependencies::Dependencies,
    figures::History,
    last_audit::KnownAudit,
    lookups::{Lookup, Names},
    stream::Watchers,
};

/// Lookups are done for so long after the last sign of a watcher.
const WATCHED_FOR_MS: i64 = 10_000;

/// The bounds that the console shows figures against.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Limits {
    /// The most checkouts that wait.
    pub queue_max: usize,
    /// The checkout transactions that run at a time.
    pub slots: usize,
    /// The transactions that may run besides, because as many are overdue.
    pub slots_overdue_max: usize,
    pub batch_max: usize,
}

/// What the sampler, the lookups and the routes share. Clones share it.
#[derive(Clone, Debug)]
pub struct Console(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    limits: Limits,
    dependencies: Dependencies,
    last_audit: KnownAudit,
    names: Names,
    history: Mutex<History>,
    places: Mutex<Places>,
    /// The newest moment as JSON. Empty before the first one, and after the last one.
    latest: watch::Sender<Arc<str>>,
    watchers: Watchers,
    /// The time of the last request for a moment, in milliseconds since 1970.
    watched_at_ms: AtomicI64,
    lookups: mpsc::Sender<Lookup>,
    began_at_ms: i64,
}

impl Console {
    /// A console that has seen nothing yet, and the end at which its lookups arrive.
    pub fn new(limits: Limits) -> (Self, mpsc::Receiver<Lookup>) {
        let (lookups, asked) = mpsc::channel(lookups::WAITING_MAX);
        let console = Self(Arc::new(Shared {
            limits,
            dependencies: Dependencies::default(),
            last_audit: KnownAudit::default(),
            names: Names::default(),
            history: Mutex::default(),
            places: Mutex::default(),
            latest: watch::Sender::new(Arc::from("")),
            watchers: Watchers::default(),
            watched_at_ms: AtomicI64::new(0),
            lookups,
            began_at_ms: now_ms(),
        }));
        (console, asked)
    }

    /// Whether PostgreSQL and Redis answer, as their probes report it.
    pub fn dependencies(&self) -> &Dependencies {
        &self.0.dependencies
    }

    /// Ends all streams.
    pub fn close(&self) {
        self.0.latest.send_replace(Arc::from(""));
    }

    fn places(&self) -> MutexGuard<'_, Places> {
        self.0.places.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn history(&self) -> MutexGuard<'_, History> {
        self.0
            .history
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn note_watcher(&self) {
        self.0.watched_at_ms.store(now_ms(), Ordering::Relaxed);
    }

    fn is_watched(&self) -> bool {
        let watched_at_ms = self.0.watched_at_ms.load(Ordering::Relaxed);
        let recently = now_ms().saturating_sub(watched_at_ms) < WATCHED_FOR_MS;
        recently || self.0.watchers.any()
    }
}

/// Adds the routes.
pub(super) fn configure(app: &mut web::ServiceConfig) {
    app.service(super::read("/ops", assets::page))
        .service(super::read("/ops/assets/{file:.+}", assets::file))
        .service(super::read("/ops/snapshot", stream::snapshot))
        .service(super::read("/ops/stream", stream::open))
        .service(super::read("/ops/vendors/{id}", stream::vendor));
}

fn now_ms() -> i64 {
    Utc::now().timestamp_millis()
}
