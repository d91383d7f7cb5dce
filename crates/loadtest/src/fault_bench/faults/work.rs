//! Imports, and checkouts that are a burden on those beside them.

use std::{
    cell::Cell,
    rc::Rc,
    time::{Duration, Instant},
};

use tokio::{task::JoinHandle, time::sleep};
use uuid::Uuid;

use super::locks::Holder;

use crate::{
    db::faults::{self, Rows},
    fault_bench::{
        fault_context::{FaultContext, Struck},
        record::{Outcome, Who},
    },
};

/// The number of statements in which an import writes its rows.
const IMPORT_STATEMENTS: u32 = 20;
/// The time for which a product's stock stays at 0, or at 1.
const MOVES_EVERY: Duration = Duration::from_millis(5);

/// A stock import: one transaction, many statements.
pub async fn import(context: &mut FaultContext<'_>) -> anyhow::Result<Struck> {
    let mut ids: Vec<_> = context.carts.touched.iter().map(|id| id.uuid()).collect();
    ids.sort_unstable();
    let mut import = Holder::begin(context.environment).await?;
    let began = Instant::now();
    let mut rows = 0;
    for (some, number) in ids.chunks(ids.len() / IMPORT_STATEMENTS as usize).zip(1..) {
        rows += faults::add_to_stock(&mut import.connection, some).await?;
        sleep((context.lasts * number / IMPORT_STATEMENTS).saturating_sub(began.elapsed())).await;
    }
    let held = import.holds(context.environment, Rows::Stock, &ids).await?;
    faults::keep(&mut import.connection).await?;
    let is_all = rows == ids.len() as u64 && held == i64::try_from(ids.len())?;
    Ok(Struck::since(
        began,
        is_all,
        format!("{held} stock rows held by one transaction at its end, {rows} written"),
    ))
}

/// A constraint unknown to the server, which one product violates.
pub async fn poison(context: &mut FaultContext<'_>) -> anyhow::Result<()> {
    let product = context.carts.touched[0].uuid();
    Ok(faults::add_poison(&mut context.environment.connection, product).await?)
}

/// Removes the constraint.
pub async fn take_poison_away(context: &mut FaultContext<'_>) -> anyhow::Result<()> {
    Ok(faults::take_poison_away(&mut context.environment.connection).await?)
}

/// Sends a checkout of that product each second.
pub async fn send_poison(context: &mut FaultContext<'_>) -> anyhow::Result<Struck> {
    let began = Instant::now();
    let stream = context.load.start_stream(1.0);
    sleep(context.lasts).await;
    stream.end();
    let failed = context.load.count(Who::InNeed, began, |it| {
        matches!(it, Outcome::Answered(500, _))
    });
    let bought = context
        .load
        .count(Who::InNeed, began, |it| it == Outcome::Bought);
    Ok(Struck::since(
        began,
        failed >= 2 && bought == 0,
        format!("{failed} checkouts failed with 500, none was bought"),
    ))
}

/// One client with large carts.
pub async fn large_carts(context: &mut FaultContext<'_>) -> anyhow::Result<Struck> {
    let began = Instant::now();
    let client = context.load.start_client_in_need();
    sleep(context.lasts).await;
    client.end();
    let bought = context
        .load
        .count(Who::InNeed, began, |it| it == Outcome::Bought);
    let lines = context.carts.all.last().map_or(0, |cart| cart.lines.len());
    Ok(Struck::since(
        began,
        bought >= 2,
        format!("{bought} carts of {lines} lines bought by one client"),
    ))
}

/// Sets a product's stock to 0 and to 1 in turn, as a flash sale does.
pub struct StockMover {
    is_over: Rc<Cell<bool>>,
    task: JoinHandle<()>,
}

impl StockMover {
    /// Starts it.
    pub async fn start(context: &FaultContext<'_>) -> anyhow::Result<Self> {
        let product: Uuid = context.carts.touched[0].uuid();
        let mut connection = context.environment.connect().await?;
        // A long lock of the row must not stop this task for ever.
        faults::wait_shortly(&mut connection).await?;
        let is_over = Rc::new(Cell::new(false));
        let over = Rc::clone(&is_over);
        let task = actix_rt::spawn(async move {
            for qty in [0, 1].into_iter().cycle() {
                if over.get() {
                    return;
                }
                // The row may be held for longer than the wait.
                let _ = faults::set_stock(&mut connection, product, qty).await;
                sleep(MOVES_EVERY).await;
            }
        });
        Ok(Self { is_over, task })
    }

    /// Stops it.
    pub async fn stop(self) {
        self.is_over.set(true);
        let _ = self.task.await;
    }
}
