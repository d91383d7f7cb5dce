//! Finds whole tables that other transactions lock, as `create index`, `reindex`, `vacuum full` and many kinds
//! of `alter table` do.
//!
//! Nothing is locked on trial: PostgreSQL lists all locks in `pg_locks`, which every role may read.

use std::fmt;

use sqlx::PgConnection;

use super::error::{Doing, Error};

/// The tables that a kind of work needs. The more is done with one, the more kinds of locks delay it
/// (PostgreSQL manual, 13.3.1).
#[derive(Clone, Copy, Debug)]
pub struct Tables {
    pub written: &'static [&'static str],
    /// The rows of these are locked by foreign keys of the written ones.
    pub referred_to: &'static [&'static str],
    /// These are only read.
    pub read: &'static [&'static str],
}

/// The tables of a checkout. The discounts are those of the cart: the catalogue's are in a cart since it was
/// frozen.
pub const OF_CHECKOUTS: Tables = Tables {
    written: &[
        "cart_records",
        "checkout_groups",
        "idempotency_keys",
        "inventory_items",
        "order_line_items",
        "outbox_events",
        "payment_intents",
        "vendor_orders",
    ],
    referred_to: &["products", "stores", "users"],
    read: &[
        "cart_items",
        "cart_vendor_discounts",
        "licenses",
        "store_memberships",
        "subscriptions",
    ],
};

/// The tables of a move of an order.
pub const OF_MOVES: Tables = Tables {
    written: &[
        "checkout_groups",
        "idempotency_keys",
        "inventory_items",
        "order_line_items",
        "outbox_events",
        "payment_intents",
        "vendor_orders",
    ],
    referred_to: &["stores", "users"],
    read: &["cart_vendor_discounts", "licenses", "store_memberships"],
};

/// A lock on a table, or on one of its indexes, that another transaction holds or waits for: whoever comes
/// later waits behind it.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct TableLock {
    /// The table or the index.
    relation: String,
    /// The name that `pg_locks` has for the kind of lock.
    mode: String,
    /// The process of PostgreSQL; none for a prepared transaction.
    pid: Option<i32>,
}

impl fmt::Display for TableLock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { relation, mode, .. } = self;
        match self.pid {
            Some(pid) => write!(f, "PostgreSQL's process {pid} locks {relation} ({mode})"),
            None => write!(f, "a prepared transaction locks {relation} ({mode})"),
        }
    }
}

/// Finds a lock of others that delays whatever needs these tables.
pub async fn find(
    connection: &mut PgConnection,
    tables: Tables,
) -> Result<Option<TableLock>, Error> {
    let Tables {
        written,
        referred_to,
        read,
    } = tables;
    // Not `query!`: this reads the server's catalogue, not the schema.
    sqlx::query_as(
        "with needed as (
            select oid, name = any($1) as is_written, name = any($1) or name = any($2) as is_row_locked
            from unnest($1 || $2 || $3) as name,
                lateral (select name::regclass::oid) as tables (oid)
        ),
        relations as (
            select oid, is_written, is_row_locked from needed
            union all
            -- Every statement locks the indexes that it uses, as for reading.
            select indexrelid, false, false from pg_index where indrelid in (select oid from needed)
        )
        select oid::regclass::text as relation, mode, pid
        from pg_locks
        join relations on oid = relation
        where locktype = 'relation'
            and database = (select oid from pg_database where datname = current_database())
            and pid is distinct from pg_backend_pid()
            and (mode = 'AccessExclusiveLock'
                or is_row_locked and mode = 'ExclusiveLock'
                or is_written and mode in ('ShareLock', 'ShareRowExclusiveLock'))
        limit 1",
    )
    .bind(written)
    .bind(referred_to)
    .bind(read)
    .fetch_optional(connection)
    .await
    .doing("look for locked tables")
}
