//! The settings of the PostgreSQL server that the service's guarantees depend on.

use sqlx::{PgConnection, Row, postgres::PgRow};

use super::error::{Doing, Error};

/// Settings of the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerSettings {
    /// Such as `15.14`.
    pub version: String,
    /// True if this session's role is a superuser.
    pub is_superuser: bool,
    /// `max_connections`, or the smaller limit of the role or the database.
    pub connections_max: i64,
    /// The connections of these that are reserved for superusers and operators.
    pub reserved: i64,
    /// The connections in use, without this one.
    pub taken: i64,
    /// PostgreSQL's `fsync`.
    pub fsync: bool,
    /// PostgreSQL's `full_page_writes`.
    pub full_page_writes: bool,
}

impl ServerSettings {
    /// The connections that this process could open if no other client had any.
    pub fn usable(&self) -> i64 {
        self.connections_max - self.reserved
    }

    /// The connections that are free now.
    pub fn free(&self) -> i64 {
        self.usable() - self.taken
    }
}

/// Reads the settings.
pub async fn settings(connection: &mut PgConnection) -> Result<ServerSettings, Error> {
    // Neither `query!` nor prepared: this reads the server's catalogue, not the schema. An ordinary role sees that other
    // sessions exist, but not of what kind they are.
    let row = sqlx::raw_sql(
        "select
            current_setting('server_version'),
            current_setting('is_superuser')::bool,
            least(
                current_setting('max_connections')::bigint,
                (select nullif(rolconnlimit, -1) from pg_roles where rolname = current_user),
                (select nullif(datconnlimit, -1) from pg_database
                    where datname = current_database())
            ),
            current_setting('superuser_reserved_connections')::bigint
                + coalesce(current_setting('reserved_connections', true)::bigint, 0),
            (select count(*) from pg_stat_activity
                where datid is not null
                    and pid <> pg_backend_pid()
                    and coalesce(backend_type, 'client backend') = 'client backend'),
            current_setting('fsync')::bool,
            current_setting('full_page_writes')::bool",
    )
    .fetch_one(connection)
    .await
    .doing("read the server's settings")?;
    read(&row).doing("read the server's settings")
}

fn read(row: &PgRow) -> sqlx::Result<ServerSettings> {
    Ok(ServerSettings {
        version: row.try_get(0)?,
        is_superuser: row.try_get(1)?,
        connections_max: row.try_get(2)?,
        reserved: row.try_get(3)?,
        taken: row.try_get(4)?,
        fsync: row.try_get(5)?,
        full_page_writes: row.try_get(6)?,
    })
}

/// Counts the sessions of this role that wait for a lock. Those of other roles show nothing of themselves.
pub async fn count_lock_waits(connection: &mut PgConnection) -> Result<i64, Error> {
    // Not `query!`, as above.
    let waits: (i64,) = sqlx::query_as(
        "select count(*)
        from pg_stat_activity
        where datname = current_database() and wait_event_type = 'Lock'",
    )
    .fetch_one(connection)
    .await
    .doing("count waits for locks")?;
    Ok(waits.0)
}
