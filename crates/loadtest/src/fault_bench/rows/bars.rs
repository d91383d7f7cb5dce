//! The bars that a row is held against: the design's isolation page. Pure.

use serde::Serialize;

use super::Row;

/// The limits of a row; none where it has no bar.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Bars {
    /// The least share of the others' rate that stays.
    pub share: Option<f64>,
    /// The greatest p99 of the others, as a multiple of theirs before.
    pub p99_times: Option<f64>,
    /// The longest latency of a refusal.
    pub refusal_ms: Option<f64>,
    /// The greatest p99 of refusals.
    pub refusal_p99_ms: Option<f64>,
    /// The longest latency of any answer.
    pub answer_ms: Option<f64>,
    /// The longest time from the fault's end until the others' rate is back.
    pub back_s: Option<f64>,
    /// True if all in need must be served in the end, refused before or not.
    pub all_bought: bool,
    /// True if all events must be published within seconds.
    pub published: bool,
}

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
/// One connection is lost, once.
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
                // Two runs of the same differ by as much.
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
}
