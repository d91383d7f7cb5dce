//! The rows of the table: the name of each, its phases, and which instances are measured. Pure.

mod bars;
mod needs;

use std::time::Duration;

use clap::ValueEnum;
use serde::Serialize;

pub use bars::Bars;
pub use needs::{Between, InNeed};

/// A fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
#[expect(
    clippy::enum_variant_names,
    reason = "some rows of our table are about rows of the database's"
)]
pub enum Row {
    RowLock,
    RowLocksLong,
    CartRow,
    KeyRow,
    StoreRow,
    StockImport,
    Poison,
    LargeCarts,
    PostgresSilent,
    LostAtRollback,
    LostAtCommit,
    LostInStatement,
    RedisSilent,
    PostgresRefuses,
    PostgresFrozen,
    PostgresRestarted,
    RedisFrozen,
    RedisKilled,
    RedisEmptied,
    RedisFull,
    RedisBusy,
    RedisReadOnly,
    InstanceKilled,
    InstanceFrozen,
    Crowd,
    Overload,
    LogReader,
    Clocks,
}

impl Row {
    /// The name in the table.
    pub const fn title(self) -> &'static str {
        match self {
            Self::RowLock => "foreign lock, 4 s, one stock row that 5 % want",
            Self::RowLocksLong => "foreign locks, 60 s, 20 stock rows that 5 % want",
            Self::CartRow => "foreign lock on cart rows",
            Self::KeyRow => "foreign lock on rows of keys",
            Self::StoreRow => "a vendor's name is changed, and held open",
            Self::StockImport => "stock import, 10,000 rows, one transaction, 5 s",
            Self::Poison => "one poison checkout a second",
            Self::LargeCarts => "one client, 200 lines of 200 vendors, no pause",
            Self::PostgresSilent => "PostgreSQL connections silent, new ones work",
            Self::LostAtRollback => "one connection lost at ROLLBACK",
            Self::LostAtCommit => "one connection lost at COMMIT",
            Self::LostInStatement => "one connection lost in a statement",
            Self::RedisSilent => "Redis connections silent, new ones work",
            Self::PostgresRefuses => "PostgreSQL takes no new connection",
            Self::PostgresFrozen => "PostgreSQL frozen for 5 s",
            Self::PostgresRestarted => "PostgreSQL crashes and restarts",
            Self::RedisFrozen => "Redis frozen for 5 s",
            Self::RedisKilled => "Redis killed, restarted after 2 s",
            Self::RedisEmptied => "Redis emptied (FLUSHALL)",
            Self::RedisFull => "Redis full (maxmemory)",
            Self::RedisBusy => "Redis BUSY (a script that loops)",
            Self::RedisReadOnly => "Redis READONLY (a replica)",
            Self::InstanceKilled => "one of three killed in a hot transaction",
            Self::InstanceFrozen => "one of three frozen for 10 s in a hot transaction",
            Self::Crowd => "5,000 buyers, 20,000 fresh connections in a second",
            Self::Overload => "twice the load, a neighbour on both cores",
            Self::LogReader => "the reader of the log stops reading",
            Self::Clocks => "clocks of three instances 10 s apart",
        }
    }

    /// The name on the command line.
    pub fn key(self) -> String {
        let value = self.to_possible_value();
        value.map_or_else(String::new, |it| it.get_name().to_owned())
    }

    /// True of rows that CI runs.
    pub const fn is_guarded(self) -> bool {
        matches!(
            self,
            Self::RowLock
                | Self::RowLocksLong
                | Self::CartRow
                | Self::KeyRow
                | Self::StoreRow
                | Self::StockImport
                | Self::Poison
                | Self::LargeCarts
        )
    }

    /// The length of the fault, or the time for which the effects of a momentary one are measured.
    pub const fn fault_lasts(self, is_short: bool) -> Duration {
        let seconds = match (self, is_short) {
            (Self::RowLocksLong, false) => 60,
            (Self::RowLocksLong, true) => 15,
            (Self::InstanceFrozen, _) => 10,
            (
                Self::StockImport
                | Self::PostgresSilent
                | Self::LostAtRollback
                | Self::LostAtCommit
                | Self::LostInStatement
                | Self::RedisSilent
                | Self::PostgresFrozen
                | Self::PostgresRestarted
                | Self::RedisFrozen
                | Self::InstanceKilled
                | Self::Crowd
                | Self::LogReader,
                _,
            ) => 5,
            _ => 4,
        };
        Duration::from_secs(seconds)
    }

    /// The instances whose others are measured; all if it is empty.
    pub const fn looked_at(self) -> &'static [usize] {
        match self {
            Self::InstanceKilled | Self::InstanceFrozen => &[1, 2],
            _ => &[],
        }
    }

    /// True if the others wait meanwhile, so that the rate of all clients counts.
    pub const fn others_wait(self) -> bool {
        matches!(self, Self::Overload)
    }

    /// True of a momentary fault, from which recovery counts.
    pub const fn is_a_moment(self) -> bool {
        matches!(
            self,
            Self::PostgresSilent
                | Self::LostAtRollback
                | Self::LostAtCommit
                | Self::LostInStatement
                | Self::RedisSilent
                | Self::RedisEmptied
                | Self::InstanceKilled
        )
    }
}
