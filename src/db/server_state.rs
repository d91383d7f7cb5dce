//! The state of a PostgreSQL server and of a session in it, as far as it can harm the service. Read by
//! `splitcart doctor`; the few settings that a start depends on are in [`super::server`].

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use super::error::{Doing, Error};

/// The state of a server and of a session.
#[derive(Clone, Debug)]
pub struct ServerState {
    /// Such as 150014.
    pub version_number: i32,
    pub is_standby: bool,
    /// Such as `UTF8`.
    pub encoding: String,
    settings: HashMap<String, Setting>,
}

#[derive(Clone, Debug)]
struct Setting {
    present: String,
    /// The value that sessions of this role in this database begin with.
    default: String,
}

impl ServerState {
    /// A setting of this session; empty where this version of PostgreSQL has none of that name.
    pub fn setting(&self, name: &str) -> &str {
        self.settings.get(name).map_or("", |it| &it.present)
    }

    /// The value that a session of this role would have if it set nothing itself.
    pub fn default_of(&self, name: &str) -> &str {
        self.settings.get(name).map_or("", |it| &it.default)
    }

    /// A setting that is a number; `None` if there is none of that name.
    pub fn number(&self, name: &str) -> Option<u64> {
        self.setting(name).parse().ok()
    }
}

/// Reads the state.
pub async fn read(connection: &mut PgConnection) -> Result<ServerState, Error> {
    // Not `query!`: this reads the server's catalogue, not the schema.
    let (version_number, is_standby, encoding): (i32, bool, String) = sqlx::query_as(
        "select current_setting('server_version_num')::int,
            pg_is_in_recovery(),
            current_setting('server_encoding')",
    )
    .fetch_one(&mut *connection)
    .await
    .doing("read the server's state")?;
    let rows: Vec<(String, String, String)> = sqlx::query_as(
        "select name, setting, coalesce(reset_val, setting)
            from pg_settings
            where setting is not null",
    )
    .fetch_all(connection)
    .await
    .doing("read the server's settings")?;
    let settings = rows.into_iter();
    let settings = settings.map(|(name, present, default)| (name, Setting { present, default }));
    Ok(ServerState {
        version_number,
        is_standby,
        encoding,
        settings: settings.collect(),
    })
}

/// Reads the server's clock.
pub async fn clock(connection: &mut PgConnection) -> Result<DateTime<Utc>, Error> {
    sqlx::query_scalar("select clock_timestamp()")
        .fetch_one(connection)
        .await
        .doing("read the server's clock")
}
