//! The carts, instances and proxies that have to be prepared for a row. Pure.

use super::Row;

/// The checkouts that need what the fault affects.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum InNeed {
    Nobody,
    /// A stream of this share of the others' rate.
    Share(f64),
    /// A stream of this many a second.
    PerSecond(f64),
    /// The fault itself sends them: at most this many a second.
    WithTheFault(f64),
}

/// The proxy between the server and its services, if any.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Between {
    Nothing,
    PostgresProxy,
    RedisProxy,
}

/// The carts, instances and proxies of a row.
#[derive(Clone, Copy, Debug)]
pub struct Needs {
    /// The number of products that the fault affects. No cart of the others has one of them.
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

impl Row {
    /// Everything that has to be prepared for the row.
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
}
