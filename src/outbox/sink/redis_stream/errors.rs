//! Classifies the errors of Redis: about itself, or possibly about one event.
//!
//! Redis has codes for its own states, and none for a command that it can't read. So an error without
//! such a code may be about the event; whether it is shows by whether other events pass.

use redis::{RedisError, ServerError};

use crate::redis_client;

use super::super::Unavailable;

/// The reason of a failed round trip.
pub(super) fn of_round_trip(error: &RedisError) -> Unavailable {
    if error.is_timeout() {
        return Unavailable::NoAnswer;
    }
    let errors = error.clone().into_server_errors();
    let reason = errors
        .iter()
        .flat_map(|errors| errors.iter())
        .find_map(|(_, error)| of_server_error(error));
    // A server that answers is not unreachable, whatever the answer.
    reason.unwrap_or(if errors.is_some() {
        Unavailable::Refusing
    } else {
        Unavailable::Unreachable
    })
}

/// The reason that a server's error names; `None` if the error may be about the event.
pub(super) fn of_server_error(error: &ServerError) -> Option<Unavailable> {
    if redis_client::serves_nothing(error) {
        return Some(match error.code() {
            "NOAUTH" | "WRONGPASS" => Unavailable::NotAllowed,
            "CLUSTERDOWN" => Unavailable::Cluster,
            _ => Unavailable::ServesNothing,
        });
    }
    Some(match error.code() {
        // The generic code: only the text shows the cause.
        "ERR" => return of_text(error.details().unwrap_or_default()),
        "BUSY" => Unavailable::Busy,
        "OOM" => Unavailable::Full,
        "MISCONF" => Unavailable::NotPersisting,
        "NOPERM" => Unavailable::NotAllowed,
        "WRONGTYPE" => Unavailable::WrongType,
        "MOVED" | "ASK" | "TRYAGAIN" | "CROSSSLOT" => Unavailable::Cluster,
        _ => Unavailable::Refusing,
    })
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
        of_server_error(&error)
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
