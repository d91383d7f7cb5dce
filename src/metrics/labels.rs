//! The labels of metrics. Their values are bounded: a metric with a free label grows without end.

use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue};

/// One label that says which of a few things happened.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct OutcomeLabel {
    /// What happened.
    pub outcome: &'static str,
}

/// Why the coordinator refused a checkout.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelValue)]
#[expect(missing_docs, reason = "the names say it")]
pub enum RefusedBecause {
    QueueFull,
    WouldWaitTooLong,
    WaitedTooLong,
    TooManySetAside,
    Draining,
}

/// The label `reason`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct RefusedLabel {
    /// Why.
    pub reason: RefusedBecause,
}

/// One vendor.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct VendorLabel {
    /// Its store's id.
    pub vendor_store_id: String,
}

/// A pool, or all of one name.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct PoolNameLabel {
    /// Whose it is.
    pub pool: &'static str,
}

/// Connections of one kind.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct PoolLabel {
    /// Whose pool.
    pub pool: &'static str,
    /// `used` or `idle`.
    pub state: &'static str,
}

/// One route and how it was answered.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct RequestLabel {
    /// The method; `other` where no route knows it.
    pub method: &'static str,
    /// The route's pattern; `unknown` where there is none.
    pub route: String,
    /// The HTTP status.
    pub status: u16,
}

/// The limit that was used up.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct LimitLabel {
    /// `address`, `user`, `refused_tokens` or `code_guesses`.
    pub limit: &'static str,
}

/// A file, by the setting that names it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct FileLabel {
    /// The setting.
    pub setting: &'static str,
}

/// Why something failed.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ReasonLabel {
    /// One of a few.
    pub reason: &'static str,
}

/// Where a replay came from.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ReplayLabel {
    /// `redis` or `postgresql`.
    pub source: &'static str,
}
