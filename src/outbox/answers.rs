//! What a broker's answers mean: whether the event is to blame, or the broker.
//!
//! Of one event's refusal the answer alone can rarely tell. Only what Redis has no code for may be
//! about the event; and then only if others pass, which is the relay's to see.

use redis::{RedisError, ServerError};

use crate::redis_client;

/// Why nothing can be published at present. The names are a metric's labels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "`name` says it")]
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
    /// All of them.
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

    /// For people and metrics.
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

    /// What a failed round trip says.
    pub fn of_error(error: &RedisError) -> Self {
        if error.is_timeout() {
            return Self::NoAnswer;
        }
        let answers = error.clone().into_server_errors();
        let of_state = answers
            .iter()
            .flat_map(|answers| answers.iter())
            .find_map(|(_, answer)| Self::of_answer(answer));
        // A server that answers is not unreachable, whatever it says.
        of_state.unwrap_or(if answers.is_some() {
            Self::Refusing
        } else {
            Self::Unreachable
        })
    }

    /// What an answer says about the broker; none if it may be about the event.
    pub fn of_answer(answer: &ServerError) -> Option<Self> {
        if redis_client::serves_nothing(answer) {
            return Some(match answer.code() {
                "NOAUTH" | "WRONGPASS" => Self::NotAllowed,
                "CLUSTERDOWN" => Self::Cluster,
                _ => Self::ServesNothing,
            });
        }
        Some(match answer.code() {
            // Redis has no code for what is wrong with a command itself.
            "ERR" => return of_text(answer.details().unwrap_or_default()),
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

/// Sentences that would be said to every event. One that is missing here costs a probe.
fn of_text(text: &str) -> Option<Unavailable> {
    let text = text.to_ascii_lowercase();
    let of_all = [
        "unknown command",
        "syntax error",
        "wrong number of arguments",
        "max number of clients",
        "exhausted the last possible id",
    ];
    let found = of_all.iter().any(|sentence| text.contains(sentence));
    found.then_some(Unavailable::Refusing)
}

#[cfg(test)]
mod tests {
    use redis::{Value, parse_redis_value};

    use super::*;

    fn meaning(line: &str) -> Option<Unavailable> {
        let Ok(Value::ServerError(answer)) = parse_redis_value(format!("-{line}\r\n").as_bytes())
        else {
            panic!("{line} is an error");
        };
        Unavailable::of_answer(&answer)
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
            assert_eq!(meaning(line), Some(expected), "{line}");
        }
    }

    #[test]
    fn what_may_be_about_the_event_is_left_open() {
        assert_eq!(meaning("ERR Protocol error: invalid bulk length"), None);
        assert_eq!(meaning("ERR Elements are too large to be stored"), None);
    }
}
