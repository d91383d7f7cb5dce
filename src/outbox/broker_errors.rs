//! Classifies the errors of the broker: about the broker itself, or possibly about one event.
//!
//! Redis has codes for its own states, and none for a command that it can't read. So an error without
//! such a code may be about the event; the publisher decides that by whether other events pass.

use redis::{RedisError, ServerError};

use crate::redis_client;

/// The reason for which the broker takes no event at present.
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
    Refusing,
}

impl Unavailable {
    pub const ALL: [Self; 10] = [
        Self::Unreachable,
        Self::NoAnswer,
        Self::Busy,
        Self::ServesNothing,
        Self::Full,
        Self::NotPersisting,
        Self::NotAllowed,
        Self::WrongType,
        Self::Cluster,
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
            Self::Refusing => "refusing",
        }
    }

    /// The reason of a failed round trip.
    pub fn of_round_trip(error: &RedisError) -> Self {
        if error.is_timeout() {
            return Self::NoAnswer;
        }
        let errors = error.clone().into_server_errors();
        let reason = errors
            .iter()
            .flat_map(|errors| errors.iter())
            .find_map(|(_, error)| Self::of_server_error(error));
        // A server that answers is not unreachable, whatever the answer.
        reason.unwrap_or(if errors.is_some() {
            Self::Refusing
        } else {
            Self::Unreachable
        })
    }

    /// The reason that a server's error names; `None` if the error may be about the event.
    pub fn of_server_error(error: &ServerError) -> Option<Self> {
        if redis_client::serves_nothing(error) {
            return Some(match error.code() {
                "NOAUTH" | "WRONGPASS" => Self::NotAllowed,
                "CLUSTERDOWN" => Self::Cluster,
                _ => Self::ServesNothing,
            });
        }
        Some(match error.code() {
            // The generic code: only the text shows the cause.
            "ERR" => return of_text(error.details().unwrap_or_default()),
            "BUSY" => Self::Busy,
            "OOM" => Self::Full,
            "MISCONF" => Self::NotPersisting,
            "NOPERM" => Self::NotAllowed,
            "WRONGTYPE" => Self::WrongType,
            "MOVED" | "ASK" | "TRYAGAIN" | "CROSSSLOT" => Self::Cluster,
            _ => Self::Refusing,
        })
    }
}

/// Recognises texts that Redis would send for any event. A text that is missing here costs a probe.
fn of_text(text: &str) -> Option<Unavailable> {
    let text = text.to_ascii_lowercase();
    let about_no_event = [
        "unknown command",
        "syntax error",
        "wrong number of arguments",
        "max number of clients",
        "exhausted the last possible id",
    ];
    let found = about_no_event
        .iter()
        .any(|sentence| text.contains(sentence));
    found.then_some(Unavailable::Refusing)
}

#[cfg(test)]
mod tests {
    use redis::{Value, parse_redis_value};

    use super::*;

    fn reason(line: &str) -> Option<Unavailable> {
        let Ok(Value::ServerError(error)) = parse_redis_value(format!("-{line}\r\n").as_bytes())
        else {
            panic!("{line} is an error");
        };
        Unavailable::of_server_error(&error)
    }

    #[test]
    fn what_redis_says_about_itself_blames_no_event() {
        let cases = [
            ("BUSY Redis is busy running a script.", Unavailable::Busy),
            ("WRONGTYPE Operation against a key", Unavailable::WrongType),
            (
                "OOM command not allowed when used memory",
                Unavailable::Full,
            ),
            ("READONLY You can't write", Unavailable::ServesNothing),
            (
                "LOADING Redis is loading the dataset",
                Unavailable::ServesNothing,
            ),
            (
                "NOREPLICAS Not enough good replicas",
                Unavailable::ServesNothing,
            ),
            (
                "MISCONF Redis is configured to save",
                Unavailable::NotPersisting,
            ),
            (
                "NOPERM this user has no permissions",
                Unavailable::NotAllowed,
            ),
            ("NOAUTH Authentication required.", Unavailable::NotAllowed),
            ("MOVED 3999 127.0.0.1:6381", Unavailable::Cluster),
            ("CLUSTERDOWN The cluster is down", Unavailable::Cluster),
            ("ERR unknown command 'XADD'", Unavailable::Refusing),
            (
                "SOMETHING that Redis will say one day",
                Unavailable::Refusing,
            ),
        ];
        for (line, expected) in cases {
            assert_eq!(reason(line), Some(expected), "{line}");
        }
    }

    #[test]
    fn what_may_be_about_the_event_is_left_open() {
        assert_eq!(reason("ERR Protocol error: invalid bulk length"), None);
        assert_eq!(reason("ERR Elements are too large to be stored"), None);
    }
}
