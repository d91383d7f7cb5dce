//! Reasons for which a sink takes no event at all.

/// The reason for which a sink takes no event at present.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Unavailable {
    Unreachable,
    NoAnswer,
    Busy,
    ServesNothing,
    Full,
    NotPersisting,
    NotAllowed,
    WrongType,
    Cluster,
    NoStream,
    NotPrimary,
    Refusing,
}

impl Unavailable {
    pub const ALL: [Self; 12] = [
        Self::Unreachable,
        Self::NoAnswer,
        Self::Busy,
        Self::ServesNothing,
        Self::Full,
        Self::NotPersisting,
        Self::NotAllowed,
        Self::WrongType,
        Self::Cluster,
        Self::NoStream,
        Self::NotPrimary,
        Self::Refusing,
    ];

    /// The label of the metric, and the word in the log.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unreachable => "unreachable",
            Self::NoAnswer => "no_answer",
            Self::Busy => "busy",
            Self::ServesNothing => "serves_nothing",
            Self::Full => "full",
            Self::NotPersisting => "not_persisting",
            Self::NotAllowed => "not_allowed",
            Self::WrongType => "wrong_type",
            Self::Cluster => "cluster",
            Self::NoStream => "no_stream",
            Self::NotPrimary => "not_primary",
            Self::Refusing => "refusing",
        }
    }
}
