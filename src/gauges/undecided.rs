//! Gauges of the orders that wait for their vendors' decisions.
//!
//! A round counts along the primary key from the first order that waits, in parts: everything before it
//! is decided, and no order goes back to waiting. Orders whose ids don't tell their time, such as restored
//! ones, may be missed. A long round takes a small part of the database's time.

use std::time::{Duration, Instant};

use sqlx::PgPool;
use tokio::sync::watch;
use uuid::Uuid;

use crate::{
    db::{self, orders::Part},
    domain::ids::OrderId,
    metrics::Metrics,
};

use super::{pause, unix_now};

/// The pause between two rounds.
const ROUND_EVERY: Duration = Duration::from_secs(5);
/// The most orders that a statement reads.
const SCANNED_MAX: i64 = 10_000;
const STATEMENT_MAX: Duration = Duration::from_secs(10);
/// Longer than a checkout takes from the making of its orders' ids to its commit, with the difference of
/// the instances' clocks.
const MARGIN: Duration = Duration::from_secs(5);
/// The pause between two parts of a round, in times of what the part took.
const PAUSE_PER_WORK: u32 = 50;

/// Counts until `stopping` is true. While PostgreSQL is away the gauges keep their last values, and the
/// gauge of the time of measurement grows old.
pub async fn measure(pool: PgPool, metrics: Metrics, mut stopping: watch::Receiver<bool>) {
    let mut round: Option<Round> = None;
    while !*stopping.borrow_and_update() {
        let started = Instant::now();
        let scanned_to = round.as_ref().map(|round| round.scanned_to);
        let counted = db::within(&pool, STATEMENT_MAX, async |connection| {
            let after = match scanned_to {
                Some(scanned_to) => scanned_to,
                // Late orders up to there have expired: a restart does not count there again.
                None => db::orders::walked_to(connection).await?,
            };
            let part = db::orders::count_undecided(connection, after, MARGIN, SCANNED_MAX).await?;
            Ok((after, part))
        });
        let time = match counted.await {
            Ok((after, part)) => {
                let mut current = round.take().unwrap_or_else(|| Round::after(after));
                let is_complete = current.add(part);
                if is_complete {
                    report(&metrics, &current);
                    current = Round::after(current.next_after());
                }
                round = Some(current);
                if is_complete {
                    ROUND_EVERY
                } else {
                    started.elapsed() * PAUSE_PER_WORK
                }
            }
            Err(error) => {
                tracing::debug!("the waiting orders could not be counted: {error}");
                ROUND_EVERY
            }
        };
        pause(time, &mut stopping).await;
    }
}

fn report(metrics: &Metrics, round: &Round) {
    metrics.orders_waiting.set(round.waiting);
    metrics.orders_waiting_oldest.set(round.oldest_s);
    metrics.orders_measured.set(unix_now());
}

/// A round through the orders.
#[derive(Debug)]
struct Round {
    scanned_to: OrderId,
    waiting: i64,
    oldest_s: f64,
    first_waiting: Option<OrderId>,
    /// Of the first part.
    settled_before: Option<OrderId>,
}

impl Round {
    fn after(order: OrderId) -> Self {
        Self {
            scanned_to: order,
            waiting: 0,
            oldest_s: 0.0,
            first_waiting: None,
            settled_before: None,
        }
    }

    /// Adds a part. Returns true if it was the last one.
    fn add(&mut self, part: Part) -> bool {
        self.scanned_to = part.scanned_to.unwrap_or(self.scanned_to);
        self.waiting += part.waiting;
        self.oldest_s = part.oldest_s.max(self.oldest_s);
        self.first_waiting = self.first_waiting.or(part.first_waiting);
        self.settled_before.get_or_insert(part.settled_before);
        part.scanned < SCANNED_MAX
    }

    /// The order up to which all are decided.
    fn next_after(&self) -> OrderId {
        let undecided = self.first_waiting.map_or(self.scanned_to, before);
        let unsettled = self.settled_before.map_or(undecided, before);
        undecided.min(unsettled)
    }
}

/// The greatest id before this one.
fn before(id: OrderId) -> OrderId {
    OrderId::new(Uuid::from_u128(id.uuid().as_u128().saturating_sub(1)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: u128) -> OrderId {
        OrderId::new(Uuid::from_u128(number))
    }

    fn part(scanned: i64, scanned_to: u128, waiting: (i64, Option<u128>)) -> Part {
        Part {
            scanned,
            scanned_to: Some(id(scanned_to)),
            waiting: waiting.0,
            first_waiting: waiting.1.map(id),
            oldest_s: if waiting.0 > 0 { 7.0 } else { 0.0 },
            settled_before: id(500),
        }
    }

    #[test]
    fn a_round_ends_with_a_part_that_is_not_full_and_the_next_begins_at_the_first_that_waits() {
        let mut round = Round::after(id(0));
        assert!(!round.add(part(SCANNED_MAX, 100, (0, None))));
        assert!(!round.add(part(SCANNED_MAX, 200, (3, Some(150)))));
        assert!(round.add(part(5, 205, (2, Some(201)))));
        assert_eq!((round.waiting, round.oldest_s), (5, 7.0));
        assert_eq!(round.next_after(), id(149));
    }

    #[test]
    fn what_may_yet_be_committed_is_counted_by_the_next_round() {
        let mut round = Round::after(id(0));
        assert!(round.add(part(5, 900, (0, None))));
        assert_eq!(round.next_after(), id(499));
        let mut round = Round::after(id(400));
        assert!(round.add(part(5, 450, (0, None))));
        assert_eq!(round.next_after(), id(450));
    }

    #[test]
    fn an_empty_part_stays_where_it_is() {
        let mut round = Round::after(id(450));
        let empty = Part {
            scanned_to: None,
            ..part(0, 0, (0, None))
        };
        assert!(round.add(empty));
        assert_eq!(round.next_after(), id(450));
    }
}
