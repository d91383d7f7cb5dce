//! Rows that are known to be held by transactions of somebody else, and who waits for them.
//!
//! A batch that runs into such a row finds out which row it was and goes on without the members that
//! need it. While the row is held, those are told apart before anything is written. A task looks again
//! every few milliseconds, without waiting for any lock, and forgets a row when it is free, or when it
//! has passed from one holder to the next: that row is busy, not stuck, and waiting for it is worth
//! while.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use sqlx::{PgConnection, PgPool};
use tokio::sync::{Notify, watch};

use crate::{
    db::{self, held::Holder},
    domain::{
        checkout::AskedCart,
        ids::{ProductId, StoreId, UserId},
        lock_order::StockKey,
    },
    metrics::Metrics,
};

/// How often held rows are looked at.
const LOOK_EVERY: Duration = Duration::from_millis(25);
/// How long a look may take; it waits for no row.
pub const LOOK_MAX: Duration = Duration::from_millis(250);
/// What was not confirmed for so long, because the database does not answer, is forgotten.
const UNCONFIRMED_MAX: Duration = Duration::from_secs(2);
/// A cart that is held up by what does not show is refused for so long, and for twice as long each time
/// that it happens again.
const STUCK_MIN: Duration = Duration::from_secs(2);
const STUCK_MAX: Duration = Duration::from_secs(8);
/// How many rows are remembered, and for how many carts what they need.
const REMEMBERED_MAX: usize = 10_000;

/// A row that a checkout locks, or that a row it writes refers to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Row {
    Cart(AskedCart),
    Stock(StockKey),
    Store(StoreId),
    Product(ProductId),
    User(UserId),
}

/// See the module. Cloning shares it.
#[derive(Clone, Debug)]
pub struct HeldRows(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    known: Mutex<Known>,
    /// Counts up whenever rows were forgotten.
    forgotten: watch::Sender<u64>,
    begun: Notify,
    metrics: Metrics,
}

#[derive(Debug, Default)]
struct Known {
    rows: HashMap<Row, Held>,
    /// Our own transactions: what they hold is no news.
    own: HashSet<Holder>,
    /// Of carts that were set aside: while their rows are held nobody need read them again.
    needs: HashMap<AskedCart, Vec<Row>>,
    /// Carts that were held up by what could not be seen, such as another's uncommitted key.
    stuck: HashMap<AskedCart, Stuck>,
}

#[derive(Clone, Copy, Debug)]
struct Stuck {
    until: Instant,
    /// How long it was refused for, each time twice as long.
    wait: Duration,
}

#[derive(Clone, Copy, Debug)]
struct Held {
    /// None until it was seen in the row itself.
    by: Option<Holder>,
    since: Instant,
    confirmed_at: Instant,
}

/// One of our own transactions, while it may hold rows.
#[derive(Debug)]
pub struct OwnTransaction {
    holder: Holder,
    held: HeldRows,
}

impl Drop for OwnTransaction {
    fn drop(&mut self) {
        self.held.known().own.remove(&self.holder);
    }
}

impl HeldRows {
    /// Nothing is known to be held.
    pub fn new(metrics: Metrics) -> Self {
        Self(Arc::new(Shared {
            known: Mutex::default(),
            forgotten: watch::Sender::new(0),
            begun: Notify::new(),
            metrics,
        }))
    }

    /// Names a transaction of ours, by its id.
    pub fn own(&self, transaction_id: i64) -> OwnTransaction {
        let holder = Holder::of_transaction(transaction_id);
        self.known().own.insert(holder);
        OwnTransaction {
            holder,
            held: self.clone(),
        }
    }

    /// Whether no row is known to be held.
    pub fn is_empty(&self) -> bool {
        self.known().rows.is_empty()
    }

    /// Which of these are known to be held.
    pub fn among(&self, rows: &[Row]) -> Vec<Row> {
        let known = self.known();
        let held = rows.iter().filter(|row| known.rows.contains_key(row));
        held.copied().collect()
    }

    /// Which rows keep a cart from being bought, as far as is known without reading it.
    pub fn in_the_way_of(&self, cart: AskedCart) -> Vec<Row> {
        let known = self.known();
        if known.rows.is_empty() {
            return Vec::new();
        }
        let needs = known.needs.get(&cart).map_or(&[][..], Vec::as_slice);
        let needs = needs.iter().copied().chain([Row::Cart(cart)]);
        needs.filter(|row| known.rows.contains_key(row)).collect()
    }

    /// For how long the one that was held first has been held.
    pub fn held_for(&self, rows: &[Row]) -> Duration {
        let known = self.known();
        let since = rows
            .iter()
            .filter_map(|row| known.rows.get(row))
            .map(|held| held.since);
        since.min().map_or(Duration::ZERO, |since| since.elapsed())
    }

    /// Remembers rows as held; by whom shows when they are looked at.
    pub fn note(&self, rows: impl IntoIterator<Item = Row>) {
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

    /// Remembers which rows a cart that was set aside needs.
    pub fn note_needs(&self, cart: AskedCart, needs: &[Row]) {
        let mut known = self.known();
        if !known.rows.is_empty() && known.needs.len() < REMEMBERED_MAX {
            known.needs.insert(cart, needs.to_vec());
        }
    }

    /// A cart was held up, alone, by something that does not show: for a while it is refused at once.
    /// Returns for how long.
    pub fn note_stuck(&self, cart: AskedCart) -> Duration {
        let now = Instant::now();
        let mut known = self.known();
        known.stuck.retain(|_, stuck| now < stuck.until + STUCK_MAX);
        let wait = known
            .stuck
            .get(&cart)
            .map_or(STUCK_MIN, |stuck| (stuck.wait * 2).min(STUCK_MAX));
        if known.stuck.len() < REMEMBERED_MAX {
            let until = now + wait;
            known.stuck.insert(cart, Stuck { until, wait });
        }
        wait
    }

    /// For how long a cart is still to be refused.
    pub fn stuck_for(&self, cart: AskedCart) -> Option<Duration> {
        let known = self.known();
        let until = known.stuck.get(&cart)?.until;
        let left = until.saturating_duration_since(Instant::now());
        (!left.is_zero()).then_some(left)
    }

    /// Resolves when none of these is known to be held any more, or at the deadline.
    pub fn freed(
        &self,
        rows: Vec<Row>,
        deadline: Instant,
    ) -> impl Future<Output = ()> + Send + 'static {
        let (this, mut forgotten) = (self.clone(), self.0.forgotten.subscribe());
        async move {
            let freed = async {
                while !this.among(&rows).is_empty() {
                    // An error means that the sender is gone, and it lives in `this`.
                    drop(forgotten.changed().await);
                }
            };
            // Whoever is put back at the deadline is judged by what is known then.
            drop(tokio::time::timeout_at(deadline.into(), freed).await);
        }
    }

    /// Which of these rows others hold at this moment. Stock and carts come first; what rows refer to is
    /// looked at only if none of them is held.
    ///
    /// # Errors
    /// A statement failed.
    pub async fn look(
        &self,
        connection: &mut PgConnection,
        rows: &BTreeSet<Row>,
    ) -> Result<Vec<Row>, db::Error> {
        let rows = RowsByKind::of(rows);
        let mut held = rows.find_held(connection).await?;
        if held.is_empty() {
            held = rows.find_held_for_reference(connection).await?;
        }
        let known = self.known();
        let foreign = held
            .into_iter()
            .filter(|(_, by)| !by.is_some_and(|by| known.own.contains(&by)));
        Ok(foreign.map(|(row, _)| row).collect())
    }

    /// Which of these stock rows others hold at this moment, in one statement.
    ///
    /// # Errors
    /// The statement failed.
    pub async fn look_at_stock(
        &self,
        connection: &mut PgConnection,
        stock: &[StockKey],
    ) -> Result<HashSet<Row>, db::Error> {
        // One that ends meanwhile is ours all the same.
        let own = self.known().own.clone();
        let held = db::held::find_held_stock(connection, stock).await?;
        let foreign = held.into_iter().filter(|(_, by)| !own.contains(by));
        let rows: HashSet<_> = foreign.map(|(stock, _)| Row::Stock(stock)).collect();
        Ok(rows)
    }

    /// Looks at the rows that are known to be held, as long as there are any, and forgets those that
    /// are free.
    pub async fn watch(self, pool: PgPool) {
        loop {
            if self.is_empty() {
                self.0.begun.notified().await;
                continue;
            }
            let started = Instant::now();
            let rows: BTreeSet<_> = self.known().rows.keys().copied().collect();
            match look_once(&pool, &rows).await {
                Ok(held) => self.keep(&rows, &held.into_iter().collect()),
                Err(error) => {
                    tracing::warn!("can't see whether held rows are free: {error}");
                    self.forget_unconfirmed();
                }
            }
            // However many rows there are, most of the time nobody looks.
            tokio::time::sleep(LOOK_EVERY.max(started.elapsed() * 4)).await;
        }
    }

    /// Keeps those of the rows that the same transaction still holds.
    fn keep(&self, looked_at: &BTreeSet<Row>, held: &HashMap<Row, Option<Holder>>) {
        let now = Instant::now();
        let mut known = self.known();
        for row in looked_at {
            let Some(entry) = known.rows.get_mut(row) else {
                continue;
            };
            match held.get(row) {
                Some(by) if entry.by.is_none() || entry.by == *by => {
                    entry.by = *by;
                    entry.confirmed_at = now;
                }
                _ => {
                    known.rows.remove(row);
                }
            }
        }
        self.forgotten(known);
    }

    fn forget_unconfirmed(&self) {
        let mut known = self.known();
        known
            .rows
            .retain(|_, held| held.confirmed_at.elapsed() < UNCONFIRMED_MAX);
        self.forgotten(known);
    }

    fn forgotten(&self, mut known: MutexGuard<'_, Known>) {
        if known.rows.is_empty() {
            known.needs = HashMap::new();
        }
        self.0.metrics.held_rows.set(count(known.rows.len()));
        drop(known);
        self.0.forgotten.send_modify(|count| *count += 1);
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn count(rows: usize) -> i64 {
    i64::try_from(rows).unwrap_or(i64::MAX)
}

async fn look_once(
    pool: &PgPool,
    rows: &BTreeSet<Row>,
) -> Result<Vec<(Row, Option<Holder>)>, db::Error> {
    const DOING: &str = "look for held rows";
    let mut connection = db::in_time(LOOK_MAX, DOING, db::pool::acquire(pool)).await?;
    let rows = RowsByKind::of(rows);
    let look = async {
        let mut held = rows.find_held(&mut connection).await?;
        held.extend(rows.find_held_for_reference(&mut connection).await?);
        Ok(held)
    };
    let found = db::in_time(LOOK_MAX, DOING, look).await;
    if found.is_err() {
        // It may be silent, in the middle of a statement.
        drop(connection.detach());
    }
    found
}

#[derive(Default)]
struct RowsByKind {
    carts: Vec<AskedCart>,
    stock: Vec<StockKey>,
    stores: Vec<StoreId>,
    products: Vec<ProductId>,
    users: Vec<UserId>,
}

impl RowsByKind {
    fn of(rows: &BTreeSet<Row>) -> Self {
        let mut by_kind = Self::default();
        for row in rows {
            match *row {
                Row::Cart(cart) => by_kind.carts.push(cart),
                Row::Stock(stock) => by_kind.stock.push(stock),
                Row::Store(id) => by_kind.stores.push(id),
                Row::Product(id) => by_kind.products.push(id),
                Row::User(id) => by_kind.users.push(id),
            }
        }
        by_kind
    }

    /// Those that checkouts lock themselves.
    async fn find_held(
        &self,
        connection: &mut PgConnection,
    ) -> Result<Vec<(Row, Option<Holder>)>, db::Error> {
        let mut held = Vec::new();
        if !self.stock.is_empty() {
            let found = db::held::find_held_stock(connection, &self.stock).await?;
            let rows = found.into_iter();
            held.extend(rows.map(|(stock, by)| (Row::Stock(stock), Some(by))));
        }
        if !self.carts.is_empty() {
            let found = db::held::find_held_carts(connection, &self.carts).await?;
            let rows = found.into_iter();
            held.extend(rows.map(|(cart, by)| (Row::Cart(cart), Some(by))));
        }
        Ok(held)
    }

    /// Those that what checkouts write refers to.
    async fn find_held_for_reference(
        &self,
        connection: &mut PgConnection,
    ) -> Result<Vec<(Row, Option<Holder>)>, db::Error> {
        let mut held = Vec::new();
        if !self.stores.is_empty() {
            let found = db::held::find_held_stores(connection, &self.stores).await?;
            held.extend(found.into_iter().map(Row::Store));
        }
        if !self.products.is_empty() {
            let found = db::held::find_held_products(connection, &self.products).await?;
            held.extend(found.into_iter().map(Row::Product));
        }
        if !self.users.is_empty() {
            let found = db::held::find_held_users(connection, &self.users).await?;
            held.extend(found.into_iter().map(Row::User));
        }
        Ok(held.into_iter().map(|row| (row, None)).collect())
    }
}
