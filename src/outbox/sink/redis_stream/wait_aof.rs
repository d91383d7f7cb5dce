//! Waits until Redis has its append-only file on disk (WAITAOF, Redis 7.2), so that an event that counts as
//! published survives a crash.

use std::time::Duration;

use redis::{Cmd, RedisResult, Value};

use super::{Unavailable, errors};

/// Waits for the writes of this connection.
pub(super) fn command(wait: Duration) -> Cmd {
    let (local, replicas) = (1, 0);
    let mut command = redis::cmd("WAITAOF");
    command.arg(local).arg(replicas).arg(milliseconds(wait));
    command
}

/// Takes the answer apart: an error unless the file is on disk.
pub(super) fn check(
    answer: RedisResult<Value>,
    wait: Duration,
) -> Result<(), (Unavailable, String)> {
    let answer = answer.and_then(|value| Ok(redis::from_redis_value::<(i64, i64)>(value)?));
    let error = match answer {
        Ok((local, _)) if local >= 1 => return Ok(()),
        Ok(_) => {
            let text = format!(
                "Redis did not have the events on disk within wait_aof_ms = {}",
                milliseconds(wait)
            );
            return Err((Unavailable::NotPersisting, text));
        }
        Err(error) => error,
    };
    let text = error.to_string();
    let lowercase = text.to_ascii_lowercase();
    Err(if lowercase.contains("unknown command") {
        (
            Unavailable::NotPersisting,
            "wait_aof_ms is set, and this Redis has no WAITAOF: it takes Redis 7.2 or Valkey 7.2"
                .to_owned(),
        )
    } else if lowercase.contains("appendonly is disabled") {
        (
            Unavailable::NotPersisting,
            "wait_aof_ms is set, and this Redis has no append-only file (appendonly no)".to_owned(),
        )
    } else {
        (errors::of_round_trip(&error), format!("WAITAOF: {text}"))
    })
}

fn milliseconds(wait: Duration) -> u64 {
    u64::try_from(wait.as_millis()).expect("a setting in milliseconds")
}
