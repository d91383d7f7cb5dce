//! Recognises errors after which a connection is of no more use: it was lost, or its server serves
//! nothing at present and the same address may lead to another server.

use redis::{RedisError, ServerError, Value};

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

pub(super) fn value_makes_useless(value: &Value) -> bool {
    matches!(value, Value::ServerError(error) if serves_nothing(error))
}

pub(super) fn error_makes_useless(error: &RedisError) -> bool {
    error.is_io_error()
        || error.is_unrecoverable_error()
        || error
            .clone()
            .into_server_errors()
            .is_some_and(|errors| errors.iter().any(|(_, error)| serves_nothing(error)))
}
