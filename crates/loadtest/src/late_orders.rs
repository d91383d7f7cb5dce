//! A backlog of late orders: written before the test as checkouts of the past would have left them, and
//! watched while the server expires them.

use std::{
    cell::RefCell,
    collections::BTreeMap,
    time::{Duration, Instant},
};

use anyhow::{Context, bail, ensure};
use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;
use sqlx::{Connection, PgConnection};
use terminal::Screen;

use catalogue::{
    db::bulk::copy_rows,
    seed::purchase::{PastIds, Purchase, Purchaser},
};
use splitcart::{
    config::{Config, DecideWithin, Retention},
    domain::ids::{CartId, OrderId},
};

use crate::db::{self, late};

use super::{carts::Cart, record::Recorder};

/// The time for which the orders have been late when they are written. Later ones could be older than what
/// the server has looked through already.
const LATE_FOR: TimeDelta = TimeDelta::seconds(60);
/// The orders were placed within this time.
const PLACED_WITHIN: TimeDelta = TimeDelta::seconds(5);
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// The margin to the times for which keys and events are kept.
const MARGIN: TimeDelta = TimeDelta::hours(1);

/// The late orders of a test.
#[derive(Debug, Default)]
pub struct LateOrders {
    /// In ascending id, which is the order in which they expire.
    ids: Vec<OrderId>,
    pub carts: Vec<CartId>,
    /// The number of orders that were left at some times.
    looks: RefCell<Vec<(Instant, usize)>>,
}

/// The late orders in the report.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct LateOrdersReport {
    pub orders: usize,
    /// When measuring began.
    pub left_at_begin: usize,
    pub left_at_end: u64,
    pub expired_per_second: Option<f64>,
    /// From the beginning of the measurement until none was left; none if some were left at the end.
    pub seconds_until_none_left: Option<f64>,
    /// Successes in the seconds in which some were left.
    pub goodput_per_second_meanwhile: Option<f64>,
    /// Successes in the seconds after that.
    pub goodput_per_second_afterwards: Option<f64>,
    /// Units that were released, by the database.
    pub units_released: i64,
}

/// Writes orders of these carts that are late.
///
/// # Errors
/// The settings leave no time at which an order could be late and need neither key nor event, or the machine
/// failed. Nothing was written then.
pub async fn write(
    config: &Config,
    connection: &mut PgConnection,
    carts: &[Cart],
    screen: &Screen,
) -> anyhow::Result<LateOrders> {
    let placed_until = placed_until(config, Utc::now())?;
    let mut ids = PastIds::new(placed_until.timestamp_micros().unsigned_abs());
    let count = i32::try_from(carts.len()).context("the carts are counted by 32 bits")?;
    let purchases = carts.iter().zip(1..).map(|(cart, number)| {
        let buyer = Purchaser {
            store_id: cart.buyer.store_id,
            user_id: cart.buyer.user_id,
        };
        let at = placed_until - PLACED_WITHIN + PLACED_WITHIN * number / count;
        Purchase::of(buyer, cart.lines.clone(), at, &mut ids)
    });
    let purchases: Vec<_> = purchases.collect();
    let mut orders: Vec<_> = purchases.iter().flat_map(Purchase::order_ids).collect();
    orders.sort_unstable();
    if let Some(first) = orders.first() {
        ensure!(
            late::walked_to(connection).await? < *first,
            "the server has already looked through the orders of {}: wait a minute",
            placed_until - PLACED_WITHIN
        );
    }
    let mut reserved = BTreeMap::new();
    for (product, taken) in purchases.iter().flat_map(Purchase::taken) {
        *reserved.entry(product).or_insert(0_i32) += taken.reserved;
    }
    screen.begin("preparing late orders", orders.len() as u64);
    let mut tx = connection.begin().await?;
    late::reserve(&mut tx, &reserved).await?;
    let all = || purchases.iter();
    copy_rows(&mut tx, all().map(Purchase::cart_row), |_| {}).await?;
    copy_rows(&mut tx, all().flat_map(Purchase::item_rows), |_| {}).await?;
    copy_rows(&mut tx, all().map(Purchase::group_row), |_| {}).await?;
    let sent = |rows| screen.at(rows);
    copy_rows(&mut tx, all().flat_map(Purchase::order_rows), sent).await?;
    copy_rows(&mut tx, all().flat_map(Purchase::line_rows), |_| {}).await?;
    copy_rows(&mut tx, all().flat_map(Purchase::intent_rows), |_| {}).await?;
    tx.commit()
        .await
        .context("could not commit the late orders")?;
    db::settle_orders(connection).await?;
    Ok(LateOrders {
        ids: orders,
        carts: all().map(Purchase::cart_id).collect(),
        looks: RefCell::default(),
    })
}

fn placed_until(config: &Config, now: DateTime<Utc>) -> anyhow::Result<DateTime<Utc>> {
    let DecideWithin::Lasting(decide_within) = config.orders.decide_within else {
        bail!("--late-orders measures the expiry of orders, and orders.decide_within is \"off\"");
    };
    let decide_within = TimeDelta::from_std(decide_within)?;
    let keys_kept = TimeDelta::days(config.idempotency.checkout_days.cast_signed());
    let Retention::Lasting(events_kept) = config.outbox.retention else {
        bail!("--late-orders writes orders without events, and outbox.retention is \"off\"");
    };
    let kept = keys_kept.max(TimeDelta::from_std(events_kept)?) + MARGIN;
    ensure!(
        decide_within >= kept,
        "--late-orders writes orders that are too old to have a key or an event, but \
         orders.decide_within is shorter than idempotency.checkout_days or outbox.retention and an hour"
    );
    Ok(now - decide_within - LATE_FOR)
}

impl LateOrders {
    /// Looks again and again how many are left.
    pub async fn watch(&self, mut connection: PgConnection) -> anyhow::Result<()> {
        let Some(last) = self.ids.last() else {
            return std::future::pending().await;
        };
        let mut first_left = 0;
        while let Some(first) = self.ids.get(first_left) {
            let waiting = late::first_waiting(&mut connection, *first, *last).await?;
            first_left = match waiting {
                Some(id) => self.ids.partition_point(|it| *it < id),
                None => self.ids.len(),
            };
            let left = self.ids.len() - first_left;
            self.looks.borrow_mut().push((Instant::now(), left));
            tokio::time::sleep(LOOK_EVERY).await;
        }
        std::future::pending().await
    }

    /// The number of orders that still wait.
    pub async fn left(&self, connection: &mut PgConnection) -> anyhow::Result<u64> {
        let Some((first, last)) = self.ids.first().zip(self.ids.last()) else {
            return Ok(0);
        };
        Ok(late::count_waiting(connection, *first, *last).await?)
    }

    /// The results, if there were any orders; `left_at_end` and `units_released` are the database's.
    pub fn report(
        &self,
        begin: Instant,
        recorder: &Recorder,
        left_at_end: u64,
        units_released: i64,
    ) -> Option<LateOrdersReport> {
        let orders = (!self.ids.is_empty()).then_some(self.ids.len())?;
        let looks = self.looks.borrow();
        let before = looks.iter().take_while(|(at, _)| *at <= begin).last();
        let left_at_begin = before.map_or(orders, |(_, left)| *left);
        let none_left = looks.iter().find(|(_, left)| *left == 0);
        let busy = none_left.map(|(at, _)| at.saturating_duration_since(begin).as_secs_f64());
        let window = recorder.length().as_secs_f64();
        let expired = left_at_begin as f64 - left_at_end as f64;
        let expired_within = busy.unwrap_or(window);
        let split = busy.unwrap_or(window).min(window);
        Some(LateOrdersReport {
            orders,
            left_at_begin,
            left_at_end,
            expired_per_second: (expired_within > 0.0).then(|| expired / expired_within),
            seconds_until_none_left: busy,
            goodput_per_second_meanwhile: goodput(recorder, 0.0, split),
            goodput_per_second_afterwards: goodput(recorder, split, window),
            units_released,
        })
    }
}

/// Successes a second, over the whole seconds between two times of the window.
fn goodput(recorder: &Recorder, from: f64, to: f64) -> Option<f64> {
    let seconds = recorder.series().iter().zip(0_u32..);
    let within = seconds.filter(|(second, number)| {
        let begin = f64::from(*number);
        begin >= from && begin + second.length.as_secs_f64() <= to
    });
    let (mut succeeded, mut time) = (0, Duration::ZERO);
    for (second, _) in within {
        succeeded += second.counts.succeeded;
        time += second.length;
    }
    (!time.is_zero()).then(|| succeeded as f64 / time.as_secs_f64())
}
