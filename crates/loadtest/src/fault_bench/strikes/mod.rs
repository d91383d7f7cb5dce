//! The faults. Each is struck for real, and shows that it was.

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
    field::{Field, Struck},
    rows::Row,
};

use neighbour::Neighbour;
use work::StockMover;

pub use instances::{make_users, user};

/// What is at work in both phases, because the fault needs it or is measured beside it.
#[derive(Default)]
pub struct Beside {
    stock: Option<StockMover>,
    neighbour: Option<Neighbour>,
}

/// Makes ready what has to be there before the quiet phase.
pub async fn before(field: &mut Field<'_>) -> anyhow::Result<Beside> {
    let mut beside = Beside::default();
    match field.row {
        Row::Poison => work::poison(field).await?,
        Row::LostAtRollback => beside.stock = Some(StockMover::start(field).await?),
        Row::Overload => beside.neighbour = Some(Neighbour::start()?),
        _ => {}
    }
    Ok(beside)
}

/// Strikes, and returns when it is over.
pub async fn strike(field: &mut Field<'_>, beside: &Beside) -> anyhow::Result<Struck> {
    match field.row {
        Row::RowLock | Row::RowLocksLong => locks::stock_rows(field).await,
        Row::CartRow => locks::cart_rows(field).await,
        Row::KeyRow => locks::key_rows(field).await,
        Row::StoreRow => locks::store_row(field).await,
        Row::StockImport => work::import(field).await,
        Row::Poison => work::send_poison(field).await,
        Row::LargeCarts => work::large_carts(field).await,
        Row::PostgresSilent | Row::RedisSilent => connections::silent(field).await,
        Row::LostAtRollback | Row::LostAtCommit | Row::LostInStatement => {
            connections::one_lost(field).await
        }
        Row::PostgresRefuses => connections::refused(field).await,
        Row::PostgresFrozen => postgres::frozen(field).await,
        Row::PostgresRestarted => postgres::restarted(field).await,
        Row::RedisFrozen => redis_faults::frozen(field).await,
        Row::RedisKilled => redis_faults::killed(field).await,
        Row::RedisEmptied => redis_faults::emptied(field).await,
        Row::RedisFull => redis_faults::full(field).await,
        Row::RedisBusy => redis_faults::busy(field).await,
        Row::RedisReadOnly => redis_faults::read_only(field).await,
        Row::InstanceKilled | Row::InstanceFrozen => instances::struck(field).await,
        Row::Crowd => crowd::comes(field).await,
        Row::Overload => neighbour::overload(field, beside.neighbour.as_ref()).await,
        Row::LogReader => log_reader::stops(field).await,
        Row::Clocks => clocks::apart(field).await,
    }
}

/// Takes away what was made ready.
pub async fn after(field: &mut Field<'_>, beside: Beside) -> anyhow::Result<()> {
    if let Some(stock) = beside.stock {
        stock.stop().await;
    }
    drop(beside.neighbour);
    if field.row == Row::Poison {
        work::take_poison_away(field).await?;
    }
    Ok(())
}
