//! Recognises errors after which a connection is of no more use: it was lost, or its server serves
//! nothing at present and the same address may lead to another server.

use redis::{RedisError, ServerError, Value};

use super::link::Link;

const SERVES_NOTHING: [&str; 7] = [
    "READONLY",
    "LOADING",
    "MASTERDOWN",
    "CLUSTERDOWN",
    "NOREPLICAS",
    "NOAUTH",
    "WRONGPASS",
];

/// True if an error means that the server serves nothing at present.
pub fn serves_nothing(error: &ServerError) -> bool {
    // Redis before 7 puts the code of a command in a script into the text of the script's own error.
    let within_a_script = || {
        error
            .details()
            .is_some_and(|text| text.contains("-READONLY "))
    };
    SERVES_NOTHING.contains(&error.code()) || within_a_script()
}

pub(super) fn value_makes_useless(value: &Value, link: &Link) -> bool {
    matches!(value, Value::ServerError(error) if makes_useless(error, link))
}

pub(super) fn error_makes_useless(error: &RedisError, link: &Link) -> bool {
    match error.clone().into_server_errors() {
        Some(errors) => errors.iter().any(|(_, error)| makes_useless(error, link)),
        // Not an answer: the connection was lost, or the client of a cluster has no more of its nodes.
        None => {
            error.is_io_error()
                || error.is_unrecoverable_error()
                || matches!(link, Link::Cluster(_))
        }
    }
}

fn makes_useless(error: &ServerError, link: &Link) -> bool {
    let has_moved = || matches!(link, Link::Owner(_)) && error.code() == "MOVED";
    serves_nothing(error) || has_moved()
}
