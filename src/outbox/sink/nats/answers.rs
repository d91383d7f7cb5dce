//! What an error of NATS says: that the server takes no event at present, or that it refuses this one.
//!
//! Only what is about a message's own size blames an event. Any other error is about the server or the
//! stream, also one that is not known here.

use std::error::Error as _;

use async_nats::jetstream::{
    Error as JetStreamError, ErrorCode,
    context::{PublishError, PublishErrorKind},
};

use super::{Answer, Connection, Unavailable};

/// Codes that `async-nats` has no names for.
const STREAM_HEADER_EXCEEDS_MAXIMUM: ErrorCode = ErrorCode(10097);
const STREAM_SEALED: ErrorCode = ErrorCode(10109);

pub(super) fn of_publish_error(error: &PublishError, connection: &Connection) -> Answer {
    let reason = match error.kind() {
        PublishErrorKind::MaxPayloadExceeded => return Answer::Refused(describe(error)),
        PublishErrorKind::TimedOut => return of_timeout(connection),
        PublishErrorKind::StreamNotFound => {
            let text = "no stream takes the events, or it has no leader at present".to_owned();
            return Answer::Unavailable(Unavailable::NoStream, text);
        }
        PublishErrorKind::BrokenPipe => Unavailable::Unreachable,
        PublishErrorKind::MaxAckPending => Unavailable::Busy,
        _ => match error
            .source()
            .and_then(<dyn std::error::Error>::downcast_ref)
        {
            Some(error) => return of_jetstream_error(error),
            None => Unavailable::Refusing,
        },
    };
    Answer::Unavailable(reason, describe(error))
}

pub(super) fn of_jetstream_error(error: &JetStreamError) -> Answer {
    match reason_of(error.error_code(), &error.to_string()) {
        Some(reason) => Answer::Unavailable(reason, format!("NATS: {error}")),
        None => Answer::Refused(format!("NATS: {error}")),
    }
}

/// The reason for which the server takes no event; `None` if it refuses this one for its size.
pub(super) fn reason_of(code: ErrorCode, text: &str) -> Option<Unavailable> {
    Some(match code {
        ErrorCode::STREAM_MESSAGE_EXCEEDS_MAXIMUM | STREAM_HEADER_EXCEEDS_MAXIMUM => return None,
        ErrorCode::ACCOUNT_RESOURCES_EXCEEDED
        | ErrorCode::INSUFFICIENT_RESOURCES
        | ErrorCode::MEMORY_RESOURCES_EXCEEDED
        | ErrorCode::STORAGE_RESOURCES_EXCEEDED
        | ErrorCode::STREAM_LIMITS
        | ErrorCode::MAXIMUM_STREAMS_LIMIT => Unavailable::Full,
        // What the store could not do stands in the text alone.
        ErrorCode::STREAM_STORE_FAILED => {
            if text.contains("maximum") {
                Unavailable::Full
            } else {
                Unavailable::NotPersisting
            }
        }
        ErrorCode::STREAM_NOT_FOUND => Unavailable::NoStream,
        ErrorCode::CLUSTER_NOT_AVAILABLE
        | ErrorCode::CLUSTER_NOT_LEADER
        | ErrorCode::CLUSTER_NOT_ACTIVE
        | ErrorCode::CLUSTER_NOT_ASSIGNED
        | ErrorCode::CLUSTER_NO_PEERS
        | ErrorCode::CLUSTER_INCOMPLETE
        | ErrorCode::RAFT_GENERAL => Unavailable::Cluster,
        ErrorCode::JETSTREAM_NOT_ENABLED
        | ErrorCode::JETSTREAM_NOT_ENABLED_FOR_ACCOUNT
        | ErrorCode::NO_ACCOUNT
        | STREAM_SEALED => Unavailable::NotAllowed,
        _ => Unavailable::Refusing,
    })
}

/// The answer to an event that was not acknowledged in time.
pub(super) fn of_timeout(connection: &Connection) -> Answer {
    // A message that the user may not publish gets no acknowledgement: the server complains apart from it.
    if let Some(complaint) = connection.complaint() {
        let is_permission = complaint
            .to_ascii_lowercase()
            .contains("permissions violation");
        let reason = if is_permission {
            Unavailable::NotAllowed
        } else {
            Unavailable::NoAnswer
        };
        return Answer::Unavailable(reason, format!("NATS: {complaint}"));
    }
    let text = if connection.is_up() {
        format!("NATS acknowledged nothing within {:?}", super::PUBLISH_MAX)
    } else {
        "NATS closed the connection".to_owned()
    };
    let reason = if connection.is_up() {
        Unavailable::NoAnswer
    } else {
        Unavailable::Unreachable
    };
    Answer::Unavailable(reason, text)
}

fn describe(error: &PublishError) -> String {
    format!("NATS: {error}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_size_of_a_message_blames_its_event() {
        assert_eq!(
            reason_of(
                ErrorCode::STREAM_MESSAGE_EXCEEDS_MAXIMUM,
                "message size exceeds maximum allowed"
            ),
            None
        );
        let cases = [
            (
                ErrorCode::STREAM_STORE_FAILED,
                "maximum messages exceeded",
                Unavailable::Full,
            ),
            (
                ErrorCode::STREAM_STORE_FAILED,
                "write: no space left",
                Unavailable::NotPersisting,
            ),
            (
                ErrorCode::INSUFFICIENT_RESOURCES,
                "insufficient resources",
                Unavailable::Full,
            ),
            (
                STREAM_SEALED,
                "invalid operation on sealed stream",
                Unavailable::NotAllowed,
            ),
            (
                ErrorCode(19_999),
                "something of a later version",
                Unavailable::Refusing,
            ),
        ];
        for (code, text, expected) in cases {
            assert_eq!(reason_of(code, text), Some(expected), "{text}");
        }
    }
}
