//! What `events-soak` writes, holds and looks at.

use splitcart::db::pool;
use sqlx::{Connection, PgConnection};

/// The size of the outbox.
#[derive(Clone, Copy, Debug, sqlx::FromRow)]
pub struct Size {
    /// The table with all its indexes.
    pub outbox_bytes: i64,
    /// The index of unpublished events.
    pub index_bytes: i64,
    pub dead_rows: i64,
}

pub async fn size(connection: &mut PgConnection) -> sqlx::Result<Size> {
    sqlx::query_as(
        "select
            pg_total_relation_size('outbox_events') as outbox_bytes,
            pg_relation_size('outbox_events_unpublished_idx') as index_bytes,
            coalesce((select n_dead_tup from pg_stat_user_tables where relname = 'outbox_events'), 0)
                as dead_rows",
    )
    .fetch_one(connection)
    .await
}

/// Inserts events of as many aggregates, which are due at once.
pub async fn insert_events(connection: &mut PgConnection, count: i32) -> sqlx::Result<()> {
    let ids: Vec<_> = (0..count).map(|_| uuid::Uuid::now_v7()).collect();
    sqlx::query(
        "insert into outbox_events (id, event_type, aggregate_type, aggregate_id, payload)
         select
            id, 'soaked', 'soak', gen_random_uuid(),
            jsonb_build_object('order_id', id, 'buyer_store_id', id, 'lines', jsonb_build_array(id, id))
         from unnest($1::uuid[]) as id",
    )
    .bind(ids)
    .execute(connection)
    .await?;
    Ok(())
}

/// A snapshot that stays open until it is dropped: nothing that dies meanwhile can be vacuumed.
pub struct Snapshot {
    _connection: PgConnection,
}

pub async fn open_snapshot(url: &str) -> anyhow::Result<Snapshot> {
    let mut connection = pool::connect(&url.into()).await?;
    connection.ping().await?;
    sqlx::query("begin isolation level repeatable read read only")
        .execute(&mut connection)
        .await?;
    sqlx::query("select count(*) from outbox_sequencing")
        .execute(&mut connection)
        .await?;
    Ok(Snapshot {
        _connection: connection,
    })
}
