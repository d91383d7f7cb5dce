//! The labels of metrics. Their values are bounded, because each value is a time series of its own.

use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue};

/// An outcome out of a few.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct OutcomeLabel {
    /// Such as `created`.
    pub outcome: &'static str,
}

/// The reason for which a desk refused a checkout or a cart PUT.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelValue)]
pub enum RefusedBecause {
    QueueFull,
    WouldWaitTooLong,
    WaitedTooLong,
    TooManySetAside,
    Draining,
}

/// A refusal by a desk.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct RefusedLabel {
    /// Such as `QueueFull`.
    pub reason: RefusedBecause,
}

/// The reason why a batch was closed, and began.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelValue)]
pub enum ClosedBecause {
    /// No other transaction was running.
    Idle,
    /// As many commands waited as fit into a transaction.
    Full,
    /// Enough commands waited for one more transaction beside those that were running.
    Enough,
    /// Few commands waited, but the running transactions were slow.
    OthersSlow,
}

/// The batches that were closed for a reason.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ClosedLabel {
    /// Such as `Idle`.
    pub reason: ClosedBecause,
}

/// A sink of events.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct SinkLabel {
    /// Its name, such as `stream`.
    pub sink: String,
}

impl SinkLabel {
    pub fn of(sink: &str) -> Self {
        let sink = sink.to_owned();
        Self { sink }
    }
}

/// A reason for which a sink takes no events.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct SinkFailureLabel {
    /// Its name, such as `stream`.
    pub sink: String,
    /// Such as `unreachable`.
    pub reason: &'static str,
}

impl SinkFailureLabel {
    pub fn of(sink: &str, reason: &'static str) -> Self {
        let sink = sink.to_owned();
        Self { sink, reason }
    }
}

/// A vendor.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct VendorLabel {
    /// The id of the vendor's store.
    pub vendor_store_id: String,
}

/// The pools of one name.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct PoolNameLabel {
    /// Such as `checkout`.
    pub pool: &'static str,
}

/// The connections of a pool that are in one state.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct PoolLabel {
    /// Such as `checkout`.
    pub pool: &'static str,
    /// `used` or `idle`.
    pub state: &'static str,
}

/// A route and the status of the answer.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct RequestLabel {
    /// The method; `other` for one that no route takes.
    pub method: &'static str,
    /// The route's pattern; `unknown` for a path without a route.
    pub route: String,
    /// The HTTP status.
    pub status: u16,
}

/// A status of orders.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct StatusLabel {
    /// Such as `accepted`.
    pub status: &'static str,
}

/// A rate limit that was reached.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct LimitLabel {
    /// `address`, `user`, `refused_tokens` or `code_guesses`.
    pub limit: &'static str,
}

/// A watched file.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct FileLabel {
    /// The setting with the file's path.
    pub setting: &'static str,
}

/// A reason out of a few.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ReasonLabel {
    /// Such as `unreachable`.
    pub reason: &'static str,
}

/// The source of a replay.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ReplayLabel {
    /// `redis` or `postgresql`.
    pub source: &'static str,
}

/// A stage of checkouts.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct StageLabel {
    /// Such as `commit`; see [`Stage`](crate::stages::Stage).
    pub stage: &'static str,
}

/// A kind of answers.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct AnswerLabel {
    /// `succeeded`, `refused` or `failed`.
    pub answer: &'static str,
}

/// A thread with an event loop.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ThreadLabel {
    /// Such as `actors`.
    pub thread: String,
}

/// A kind out of a few.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct KindLabel {
    /// Such as `transient`.
    pub kind: &'static str,
}

/// The version of the program.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct VersionLabel {
    /// Such as `0.1.0`.
    pub version: &'static str,
}
