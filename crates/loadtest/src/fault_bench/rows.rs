//! The rows of the table: what each is called, what it needs, and what it must hold. Pure.

use std::time::Duration;

use clap::ValueEnum;
use serde::Serialize;

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

/// What a row is held against; what it has no bar for is none.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Bars {
    /// The least share of the others' rate that stays.
    pub share: Option<f64>,
    /// The greatest p99 of the others, as a multiple of theirs before.
    pub p99_times: Option<f64>,
    /// The longest that a refusal may take.
    pub refusal_ms: Option<f64>,
    /// The same at p99, of whoever is refused.
    pub refusal_p99_ms: Option<f64>,
    /// The longest that any answer may take.
    pub answer_ms: Option<f64>,
    /// How soon after the fault the others' rate is back.
    pub back_s: Option<f64>,
    /// Whether everybody in need must be served, too, refused or not.
    pub all_bought: bool,
    /// Whether all events must be published within seconds.
    pub published: bool,
}

/// Who needs what the fault touches.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum InNeed {
    /// Nobody.
    Nobody,
    /// A stream of this share of the others' rate.
    Share(f64),
    /// A stream of so many a second.
    PerSecond(f64),
    /// The fault itself sends them: at most so many a second.
    WithTheFault(f64),
}

/// What stands between the server and its services.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Between {
    Nothing,
    PostgresProxy,
    RedisProxy,
}

/// What a row's carts look like.
#[derive(Clone, Copy, Debug)]
pub struct Needs {
    /// How many products the fault touches. No cart of the others has one of them.
    pub touched: usize,
    pub in_need: InNeed,
    /// Lines of the carts of those in need, each of another vendor.
    pub lines: usize,
    pub instances: usize,
    pub between: Between,
}

const NEEDS: Needs = Needs {
    touched: 1,
    in_need: InNeed::Share(0.05),
    lines: 3,
    instances: 1,
    between: Between::Nothing,
};
const NOBODY: Needs = Needs {
    touched: 0,
    in_need: InNeed::Nobody,
    ..NEEDS
};

const LOCK: Bars = Bars {
    share: Some(0.9),
    p99_times: Some(3.0),
    refusal_ms: Some(1000.0),
    refusal_p99_ms: None,
    answer_ms: None,
    back_s: Some(0.5),
    all_bought: true,
    published: false,
};
const NONE: Bars = Bars {
    share: None,
    p99_times: None,
    refusal_ms: None,
    refusal_p99_ms: None,
    answer_ms: None,
    back_s: None,
    all_bought: false,
    published: false,
};
/// A connection that is lost, once.
const ONE_LOST: Bars = Bars {
    share: Some(0.9),
    p99_times: Some(3.0),
    refusal_ms: Some(2000.0),
    back_s: Some(1.0),
    all_bought: true,
    ..NONE
};
const REDIS: Bars = Bars {
    share: Some(0.85),
    p99_times: Some(3.0),
    back_s: Some(1.0),
    ..NONE
};
const INSTANCE: Bars = Bars {
    share: Some(0.9),
    p99_times: Some(3.0),
    back_s: Some(1.0),
    ..NONE
};

impl Row {
    /// For people.
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
            Self::LogReader => "whoever reads the log stops reading",
            Self::Clocks => "clocks of three instances 10 s apart",
        }
    }

    /// As it is spelled on the command line.
    pub fn key(self) -> String {
        let value = self.to_possible_value();
        value.map_or_else(String::new, |it| it.get_name().to_owned())
    }

    /// Whether CI runs it.
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

    /// How long the fault lasts, or for how long we look at what one that strikes once does.
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

    /// What has to be prepared.
    pub const fn needs(self) -> Needs {
        match self {
            Self::RowLocksLong => Needs {
                touched: 20,
                ..NEEDS
            },
            Self::CartRow | Self::KeyRow => Needs {
                in_need: InNeed::PerSecond(1.0),
                ..NEEDS
            },
            Self::StockImport => Needs {
                touched: 10_000,
                ..NEEDS
            },
            Self::Poison => Needs {
                in_need: InNeed::WithTheFault(1.0),
                ..NEEDS
            },
            Self::LargeCarts => Needs {
                touched: 200,
                in_need: InNeed::WithTheFault(60.0),
                lines: 200,
                ..NEEDS
            },
            Self::LostAtRollback => Needs {
                between: Between::PostgresProxy,
                ..NEEDS
            },
            Self::PostgresSilent
            | Self::LostAtCommit
            | Self::LostInStatement
            | Self::PostgresRefuses => Needs {
                between: Between::PostgresProxy,
                ..NOBODY
            },
            Self::RedisSilent => Needs {
                between: Between::RedisProxy,
                ..NOBODY
            },
            Self::InstanceKilled | Self::InstanceFrozen => Needs {
                instances: 3,
                ..NEEDS
            },
            Self::Clocks => Needs {
                instances: 3,
                ..NOBODY
            },
            Self::Crowd => Needs {
                in_need: InNeed::WithTheFault(1_000.0),
                touched: 0,
                ..NEEDS
            },
            Self::Overload => Needs {
                in_need: InNeed::WithTheFault(10_000.0),
                touched: 0,
                ..NEEDS
            },
            Self::RowLock => NEEDS,
            _ => NOBODY,
        }
    }

    /// The design's bars.
    pub const fn bars(self) -> Bars {
        match self {
            Self::RowLock => LOCK,
            Self::RowLocksLong | Self::StockImport => Bars {
                share: Some(0.85),
                ..LOCK
            },
            Self::CartRow | Self::KeyRow => Bars {
                share: Some(0.95),
                p99_times: Some(2.0),
                ..LOCK
            },
            Self::StoreRow => Bars {
                share: Some(0.95),
                p99_times: Some(2.0),
                back_s: Some(0.5),
                ..NONE
            },
            Self::Poison => Bars {
                share: Some(0.95),
                p99_times: Some(2.0),
                ..NONE
            },
            Self::LargeCarts => Bars {
                share: Some(0.6),
                p99_times: Some(3.0),
                back_s: Some(0.5),
                all_bought: true,
                ..NONE
            },
            Self::PostgresSilent => Bars {
                refusal_ms: Some(2000.0),
                back_s: Some(2.0),
                ..NONE
            },
            Self::LostAtRollback | Self::LostAtCommit | Self::LostInStatement => ONE_LOST,
            Self::RedisSilent => Bars {
                published: true,
                ..REDIS
            },
            Self::PostgresRefuses | Self::LogReader | Self::Clocks => Bars {
                // What two runs of the same differ by.
                share: Some(0.95),
                p99_times: Some(1.5),
                ..NONE
            },
            Self::PostgresFrozen | Self::PostgresRestarted => Bars {
                answer_ms: Some(3000.0),
                back_s: Some(1.0),
                ..NONE
            },
            Self::RedisFrozen
            | Self::RedisKilled
            | Self::RedisEmptied
            | Self::RedisFull
            | Self::RedisBusy
            | Self::RedisReadOnly => REDIS,
            Self::InstanceKilled | Self::InstanceFrozen => INSTANCE,
            Self::Crowd => Bars {
                share: Some(0.8),
                answer_ms: Some(5000.0),
                back_s: Some(1.0),
                ..NONE
            },
            Self::Overload => Bars {
                share: Some(0.6),
                refusal_p99_ms: Some(250.0),
                back_s: Some(1.0),
                ..NONE
            },
        }
    }

    /// The instances whose others are looked at; all if it is empty.
    pub const fn looked_at(self) -> &'static [usize] {
        match self {
            Self::InstanceKilled | Self::InstanceFrozen => &[1, 2],
            _ => &[],
        }
    }

    /// Whether the others wait meanwhile, so that everybody's rate is looked at.
    pub const fn others_wait(self) -> bool {
        matches!(self, Self::Overload)
    }

    /// Whether the fault is a moment, so that recovery counts from it.
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
