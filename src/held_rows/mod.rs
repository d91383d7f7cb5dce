//! Rows that are known to be held by transactions of others, and the checkouts that wait for them.
//!
//! | piece | owns |
//! |---|---|
//! | this file | the memory: which rows are held, which carts need them |
//! | `row` | the kinds of rows |
//! | `look` | finding held rows without waiting for them |
//! | `watch` | forgetting them when they are free |
//! | `stuck` | carts that are held up by something that no look can find |
//!
//! A batch that runs into a held row finds out which row it was and goes on without the members that need
//! it. While the row is held, such members are set aside before anything is written.

mod look;
mod row;
mod stuck;
mod watch;

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use tokio::sync::{Notify, watch as watch_channel};

use crate::{
    db::held::Holder,
    domain::checkout::AskedCart,
    metrics::{Metrics, OutcomeLabel},
};

use self::stuck::StuckCarts;

pub(crate) use self::{look::LOOK_MAX, row::Row};

/// The most rows that are remembered, and the most carts of which it is remembered what they need.
const REMEMBERED_MAX: usize = 10_000;

/// The memory of held rows. Clones share it.
#[derive(Clone, Debug)]
pub(crate) struct HeldRows(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    known: Mutex<Known>,
    /// Counts up whenever rows were forgotten.
    forgotten: watch_channel::Sender<u64>,
    /// Wakes the watch when a first row is held.
    begun: Notify,
    metrics: Metrics,
}

#[derive(Debug, Default)]
struct Known {
    rows: HashMap<Row, Held>,
    /// Transactions of this process. Rows that they hold are not reported.
    own: HashSet<Holder>,
    /// The rows that carts need which were set aside. While one of these is held, the cart is not read.
    needs: HashMap<AskedCart, Vec<Row>>,
    stuck: StuckCarts,
}

#[derive(Clone, Copy, Debug)]
struct Held {
    /// `None` until the row itself was looked at.
    by: Option<Holder>,
    since: Instant,
    confirmed_at: Instant,
}

/// A transaction of this process, while it may hold rows.
#[derive(Debug)]
pub(crate) struct OwnTransaction {
    holder: Holder,
    held: HeldRows,
}

impl Drop for OwnTransaction {
    fn drop(&mut self) {
        self.held.known().own.remove(&self.holder);
    }
}

impl HeldRows {
    /// A memory without any row.
    pub(crate) fn new(metrics: Metrics) -> Self {
        Self(Arc::new(Shared {
            known: Mutex::default(),
            forgotten: watch_channel::Sender::new(0),
            begun: Notify::new(),
            metrics,
        }))
    }

    /// Registers a transaction of this process, by its id.
    pub(crate) fn own(&self, transaction_id: i64) -> OwnTransaction {
        let holder = Holder::of_transaction(transaction_id);
        self.known().own.insert(holder);
        OwnTransaction {
            holder,
            held: self.clone(),
        }
    }

    /// True if no row is known to be held.
    pub(crate) fn is_empty(&self) -> bool {
        self.known().rows.is_empty()
    }

    /// The rows that are known to be held, of those given.
    pub(crate) fn among(&self, rows: &[Row]) -> Vec<Row> {
        let known = self.known();
        let held = rows.iter().filter(|row| known.rows.contains_key(row));
        held.copied().collect()
    }

    /// The held rows that keep a cart from being bought, as far as is known without reading the cart.
    pub(crate) fn in_the_way_of(&self, cart: AskedCart) -> Vec<Row> {
        let known = self.known();
        if known.rows.is_empty() {
            return Vec::new();
        }
        let needs = known.needs.get(&cart).map_or(&[][..], Vec::as_slice);
        let needs = needs.iter().copied().chain([Row::Cart(cart)]);
        needs.filter(|row| known.rows.contains_key(row)).collect()
    }

    /// The time for which the row that was held first has been held.
    pub(crate) fn held_for(&self, rows: &[Row]) -> Duration {
        let known = self.known();
        let since = rows
            .iter()
            .filter_map(|row| known.rows.get(row))
            .map(|held| held.since);
        since.min().map_or(Duration::ZERO, |since| since.elapsed())
    }

    /// Remembers rows as held. Their holders are found out by the watch.
    pub(crate) fn note(&self, rows: impl IntoIterator<Item = Row>) {
        let now = Instant::now();
        let mut known = self.known();
        for row in rows {
            if known.rows.len() >= REMEMBERED_MAX {
                break;
            }
            known.rows.entry(row).or_insert(Held {
                by: None,
                since: now,
                confirmed_at: now,
            });
        }
        self.0.metrics.held_rows.set(count(known.rows.len()));
        drop(known);
        self.0.begun.notify_one();
    }

    /// Remembers the rows that a cart needs which was set aside.
    pub(crate) fn note_needs(&self, cart: AskedCart, needs: &[Row]) {
        let mut known = self.known();
        if !known.rows.is_empty() && known.needs.len() < REMEMBERED_MAX {
            known.needs.insert(cart, needs.to_vec());
        }
    }

    /// Remembers a cart that was held up, alone, by something that no look can find. Returns the time for
    /// which it is to be refused at once.
    pub(crate) fn note_stuck(&self, cart: AskedCart) -> Duration {
        self.known().stuck.note(cart)
    }

    /// The time for which a cart is still to be refused at once.
    pub(crate) fn stuck_for(&self, cart: AskedCart) -> Option<Duration> {
        self.known().stuck.left(cart)
    }

    /// True if a cart was refused so recently that what held it up may still be there.
    pub(crate) fn may_be_stuck(&self, cart: AskedCart) -> bool {
        self.known().stuck.may_be(cart)
    }

    /// Resolves when none of the rows is known to be held any more, or at the deadline.
    pub(crate) fn freed(
        &self,
        rows: Vec<Row>,
        deadline: Instant,
    ) -> impl Future<Output = ()> + Send + 'static {
        let (this, mut forgotten) = (self.clone(), self.0.forgotten.subscribe());
        async move {
            let freed = async {
                while !this.among(&rows).is_empty() {
                    // An error means that the sender is gone, and `this` keeps it alive.
                    drop(forgotten.changed().await);
                }
            };
            let began = Instant::now();
            // A member that is put back at the deadline is judged by what is known then.
            let in_time = tokio::time::timeout_at(deadline.into(), freed).await;
            let outcome = if in_time.is_ok() { "freed" } else { "held" };
            this.0
                .metrics
                .held_row_wait
                .get_or_create(&OutcomeLabel { outcome })
                .observe(began.elapsed().as_secs_f64());
        }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn count(rows: usize) -> i64 {
    i64::try_from(rows).unwrap_or(i64::MAX)
}
