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

    /// The advice to operators; the table "Reasons of a sink" in docs/operations.md says more.
    pub const fn what_to_do(self) -> &'static str {
        match self {
            Self::Unreachable => {
                "see if the server runs, and check address, name, port, TLS and the authority of its certificate"
            }
            Self::NoAnswer => "see if the server hangs or is overloaded",
            Self::Busy => "wait, or end the script (SCRIPT KILL), or raise the limit",
            Self::ServesNothing => {
                "point the sink at the primary; with NATS, enable JetStream for the account"
            }
            Self::Full => "make room, or raise the limit",
            Self::NotPersisting => {
                "look at the disk of the server; wait_aof_ms takes appendonly yes, and Redis or Valkey 7.2"
            }
            Self::NotAllowed => "correct user and password, or grant what the text names",
            Self::WrongType => "rename the key, or the stream (outbox.stream)",
            Self::Cluster => {
                "begin the URL of a Redis cluster with redis+cluster://; else wait, and check the replicas"
            }
            Self::NoStream => "make the stream or topic, or let the service's user make it",
            Self::NotPrimary => "give all instances the same sinks",
            Self::Refusing => "read the text of the server",
        }
    }
}
