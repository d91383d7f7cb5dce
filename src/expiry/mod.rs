//! Finds the orders whose vendors have not decided in time, and hands them to be expired.
//!
//! A walk goes along the primary key from where the last one got to, and a patrol goes round and round the
//! whole table, slowly, for orders whose ids don't tell their time: restored ones, and those that were
//! changed by hand. Any number of instances may look at once: each order expires once, because the move
//! itself decides, under the order's lock.
//!
//! After each batch of late orders follows a pause of [`PAUSE_PER_WORK`] times what the batch took, so that
//! a backlog leaves the database to checkouts.
//!
//! | rule | file |
//! |---|---|
//! | orders that could not be expired: when they are tried again, and how long they hold the walk's record | [`unexpired`] |

mod unexpired;

use std::time::{Duration, Instant};

use sqlx::PgPool;
use tokio::sync::watch;
use uuid::Uuid;

use crate::{
    db::{
        self,
        orders::{Extent, Look, LookMax},
    },
    domain::ids::OrderId,
    log_floods::{self, Kind},
    metrics::Metrics,
};

use self::unexpired::Unexpired;

/// The interval of walks, and of the patrol's looks.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// The most rows that a look of the walk reads.
const WALK_ROWS_MAX: i64 = 5_000;
/// The most rows that a look of the patrol reads.
const PATROL_ROWS_MAX: i64 = 10_000;
/// The most late orders that a look returns.
const LATE_MAX: usize = 512;
/// The most orders that are handed in at once.
const BATCH_MAX: usize = 64;
/// The most orders that are remembered to be tried again. Beyond that those that have failed most often are
/// left to the patrol, so that they hold up no other.
const UNEXPIRED_MAX: usize = 1_000;
/// Longer than a checkout takes from the making of its orders' ids to its commit, with the difference of
/// the instances' clocks.
const MARGIN: Duration = Duration::from_secs(5);
/// The same orders may fail every half a minute.
const NOT_EXPIRED: Kind = Kind {
    what: "batches of late orders could not be expired",
    status: 0,
    code: "",
};
const STATEMENT_MAX: Duration = Duration::from_secs(10);
/// The pause after a batch, in times of what it took.
const PAUSE_PER_WORK: u32 = 4;
const PAUSE_MAX: Duration = Duration::from_secs(5);

/// What became of an order that was found to be late.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    Expired,
    /// Another move came first.
    NotLate,
    Failed,
}

/// The search for late orders. `Expire` makes the moves, and returns an outcome per order, in their order.
pub struct Expiry<Expire> {
    pool: PgPool,
    decide_within: Duration,
    expire: Expire,
    metrics: Metrics,
    stopping: watch::Receiver<bool>,
    unexpired: Unexpired,
    /// The order up to which this process has looked.
    walked_to: OrderId,
    patrolled_to: OrderId,
    next_patrol: Instant,
}

impl<Expire: AsyncFn(Vec<OrderId>) -> Vec<Outcome>> Expiry<Expire> {
    /// Looks for nothing yet.
    pub fn new(
        pool: PgPool,
        decide_within: Duration,
        expire: Expire,
        metrics: Metrics,
        stopping: watch::Receiver<bool>,
    ) -> Self {
        let first = OrderId::new(Uuid::nil());
        Self {
            pool,
            decide_within,
            expire,
            metrics,
            stopping,
            unexpired: Unexpired::default(),
            walked_to: first,
            patrolled_to: first,
            next_patrol: Instant::now(),
        }
    }

    /// Looks for late orders and expires them until `stopping` is true.
    pub async fn run(mut self) {
        while !*self.stopping.borrow_and_update() {
            let pause = match self.round().await {
                Ok(pause) => pause,
                Err(error) => {
                    tracing::warn!("the search for late orders will go on: {error}");
                    LOOK_EVERY
                }
            };
            self.pause(pause).await;
        }
    }

    /// Expires what one look of the walk, and of the patrol if it is due, finds to be late. Returns the
    /// pause until the next round.
    async fn round(&mut self) -> Result<Duration, db::Error> {
        let due = self.unexpired.due(Instant::now(), BATCH_MAX);
        self.expire_all(due).await;
        let started = Instant::now();
        let mut pause = LOOK_EVERY;
        let max = look_max(WALK_ROWS_MAX);
        let look = self.walk(max).await?;
        let mut overdue_s = look.overdue_s;
        let mut is_cut_short = look.is_cut_short(max);
        self.expire_new(look.late).await;
        self.record_walk().await?;
        if self.next_patrol <= Instant::now() {
            let look = self.patrol(look_max(PATROL_ROWS_MAX)).await?;
            overdue_s = overdue_s.max(look.overdue_s);
            is_cut_short |= look.late.len() >= LATE_MAX;
            self.expire_new(look.late).await;
        }
        if is_cut_short {
            pause = (started.elapsed() * PAUSE_PER_WORK).min(PAUSE_MAX);
        }
        self.report(overdue_s);
        Ok(pause.min(self.unexpired.pause(Instant::now())))
    }

    async fn walk(&mut self, max: LookMax) -> Result<Look, db::Error> {
        let (mine, decide_within) = (self.walked_to, self.decide_within);
        let extent = Extent::OldIds { margin: MARGIN };
        let look = db::within(&self.pool, STATEMENT_MAX, async |connection| {
            // Another instance may be ahead.
            let after = db::orders::walked_to(connection).await?.max(mine);
            db::orders::look_for_late(connection, after, extent, decide_within, max).await
        });
        let look = look.await?;
        self.walked_to = look.scanned_to.unwrap_or(self.walked_to);
        Ok(look)
    }

    async fn patrol(&mut self, max: LookMax) -> Result<Look, db::Error> {
        let (after, decide_within) = (self.patrolled_to, self.decide_within);
        let look = db::within(&self.pool, STATEMENT_MAX, async |connection| {
            db::orders::look_for_late(connection, after, Extent::All, decide_within, max).await
        });
        let look = look.await?;
        let end = look.scanned_to.filter(|_| look.is_cut_short(max));
        self.patrolled_to = end.unwrap_or(OrderId::new(Uuid::nil()));
        // Where there are more late orders than a look returns, the next look is not put off.
        let pause = if look.late.len() < LATE_MAX {
            LOOK_EVERY
        } else {
            Duration::ZERO
        };
        self.next_patrol = Instant::now() + pause;
        Ok(look)
    }

    /// Leaves out the orders that are to be tried again at a time of their own.
    async fn expire_new(&mut self, mut late: Vec<OrderId>) {
        late.retain(|id| !self.unexpired.has(*id));
        self.expire_all(late).await;
    }

    /// Hands orders in, in batches, and remembers those that are to be tried again.
    async fn expire_all(&mut self, late: Vec<OrderId>) {
        for batch in late.chunks(BATCH_MAX) {
            if *self.stopping.borrow() {
                // The walk's record must not pass them.
                self.unexpired.add(batch, Instant::now());
                continue;
            }
            let started = Instant::now();
            let outcomes = (self.expire)(batch.to_vec()).await;
            assert_eq!(outcomes.len(), batch.len(), "each order has an outcome");
            self.record(batch, &outcomes);
            self.pause((started.elapsed() * PAUSE_PER_WORK).min(PAUSE_MAX))
                .await;
        }
    }

    fn record(&mut self, batch: &[OrderId], outcomes: &[Outcome]) {
        let mut failed = Vec::new();
        for (id, outcome) in batch.iter().zip(outcomes) {
            match outcome {
                Outcome::Failed => failed.push(*id),
                Outcome::NotLate => self.unexpired.remove(*id),
                Outcome::Expired => {
                    self.unexpired.remove(*id);
                    self.metrics.orders_expired.inc();
                }
            }
        }
        self.unexpired.add(&failed, Instant::now());
        self.unexpired.shrink_to(UNEXPIRED_MAX);
        if !failed.is_empty() {
            self.metrics.orders_not_expired.inc_by(failed.len() as u64);
        }
        if !failed.is_empty() && log_floods::admits(NOT_EXPIRED) {
            tracing::warn!(
                order.id = %failed[0],
                "{} late orders could not be expired and are tried again, the first of them {}",
                failed.len(),
                failed[0]
            );
        }
    }

    /// Records how far other instances, and this one after a restart, need not look again.
    async fn record_walk(&self) -> Result<(), db::Error> {
        let held_at = self.unexpired.first_that_holds(Instant::now());
        let to = held_at.map_or(self.walked_to, |id| before(id).min(self.walked_to));
        db::within(&self.pool, STATEMENT_MAX, async |connection| {
            db::orders::record_walked_to(connection, to).await
        })
        .await
    }

    fn report(&self, overdue_s: f64) {
        let waited = self.unexpired.longest_wait(Instant::now());
        self.metrics
            .expiry_overdue
            .set(overdue_s.max(waited.as_secs_f64()));
        let waiting = i64::try_from(self.unexpired.len()).unwrap_or(i64::MAX);
        self.metrics.expiry_waiting.set(waiting);
    }

    async fn pause(&mut self, time: Duration) {
        if !*self.stopping.borrow_and_update() {
            tokio::select! {
                () = tokio::time::sleep(time) => {}
                _ = self.stopping.changed() => {}
            }
        }
    }
}

fn look_max(scanned: i64) -> LookMax {
    LookMax {
        scanned,
        late: i64::try_from(LATE_MAX).expect("it is a small number"),
    }
}

/// The greatest id before this one.
fn before(id: OrderId) -> OrderId {
    OrderId::new(Uuid::from_u128(id.uuid().as_u128().saturating_sub(1)))
}

impl<Expire> std::fmt::Debug for Expiry<Expire> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Expiry")
            .field("decide_within", &self.decide_within)
            .field("walked_to", &self.walked_to)
            .finish_non_exhaustive()
    }
}
