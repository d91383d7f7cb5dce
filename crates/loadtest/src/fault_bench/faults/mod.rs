//! The faults. Each is injected for real, and proves that it was.

mod clocks;
mod connections;
mod crowd;
mod instances;
mod locks;
mod log_reader;
mod neighbour;
mod postgres;
mod redis_faults;
mod work;

use crate::fault_bench::{
    fault_context::{FaultContext, Struck},
    rows::Row,
};

use neighbour::Neighbour;
use work::StockMover;

pub use instances::{make_users, user};

/// Processes that run in both phases, because the fault needs them or is measured beside them.
#[derive(Default)]
pub struct Beside {
    stock: Option<StockMover>,
    neighbour: Option<Neighbour>,
}

/// Prepares what the fault needs before the quiet phase.
pub async fn before(context: &mut FaultContext<'_>) -> anyhow::Result<Beside> {
    let mut beside = Beside::default();
    match context.row {
        Row::Poison => work::poison(context).await?,
        Row::LostAtRollback => beside.stock = Some(StockMover::start(context).await?),
        Row::Overload => beside.neighbour = Some(Neighbour::start()?),
        _ => {}
    }
    Ok(beside)
}

/// Injects the row's fault, and returns when it is over.
pub async fn strike(context: &mut FaultContext<'_>, beside: &Beside) -> anyhow::Result<Struck> {
    match context.row {
        Row::RowLock | Row::RowLocksLong => locks::stock_rows(context).await,
        Row::CartRow => locks::cart_rows(context).await,
        Row::KeyRow => locks::key_rows(context).await,
        Row::StoreRow => locks::store_row(context).await,
        Row::StockImport => work::import(context).await,
        Row::Poison => work::send_poison(context).await,
        Row::LargeCarts => work::large_carts(context).await,
        Row::PostgresSilent | Row::RedisSilent => connections::silent(context).await,
        Row::LostAtRollback | Row::LostAtCommit | Row::LostInStatement => {
            connections::one_lost(context).await
        }
        Row::PostgresRefuses => connections::refused(context).await,
        Row::PostgresFrozen => postgres::frozen(context).await,
        Row::PostgresRestarted => postgres::restarted(context).await,
        Row::RedisFrozen => redis_faults::frozen(context).await,
        Row::RedisKilled => redis_faults::killed(context).await,
        Row::RedisEmptied => redis_faults::emptied(context).await,
        Row::RedisFull => redis_faults::full(context).await,
        Row::RedisBusy => redis_faults::busy(context).await,
        Row::RedisReadOnly => redis_faults::read_only(context).await,
        Row::InstanceKilled | Row::InstanceFrozen => instances::struck(context).await,
        Row::Crowd => crowd::comes(context).await,
        Row::Overload => neighbour::overload(context, beside.neighbour.as_ref()).await,
        Row::LogReader => log_reader::stops(context).await,
        Row::Clocks => clocks::apart(context).await,
    }
}

/// Removes what was prepared.
pub async fn after(context: &mut FaultContext<'_>, beside: Beside) -> anyhow::Result<()> {
    if let Some(stock) = beside.stock {
        stock.stop().await;
    }
    drop(beside.neighbour);
    if context.row == Row::Poison {
        work::take_poison_away(context).await?;
    }
    Ok(())
}
