//! Looks at the Redis of keys and first answers, and reads for other looks what a Redis says of itself.

use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use redis::{Cmd, RedisResult, Script, Value};
use secrecy::ExposeSecret;

use crate::{
    app::{
        redis::Targets,
        redis_at_start::{SILENT, plainly},
    },
    ops::redis_role,
    redis_client::{Connection, Target, info_field},
};

use super::{
    NOT_RUNNING, Subject,
    report::{Line, clock},
};

const REACHABLE: &str = "redis.reachable";
const VERSION: &str = "redis.version";
const ROLE: &str = "redis.role";
const SCRIPTS: &str = "redis.scripts";
const CLOCK: &str = "redis.clock";

/// The lines that are not seen where no connection can be made.
const BEHIND_A_CONNECTION: [&str; 4] = [VERSION, ROLE, SCRIPTS, CLOCK];
/// The oldest version that has users with rights of their own (ACL), by which it is given to the service.
const OLDEST: (u32, u32) = (6, 0);

/// A key that is never written, among those of the service.
const KEY: &str = "splitcart:idempotency:doctor";

/// The answers of a Redis. Those that its user may not have are `None`.
pub(super) struct Answers {
    pub(super) info: Option<String>,
    scripts: RedisResult<Value>,
    time: Option<DateTime<Utc>>,
    read_at: DateTime<Utc>,
    round_trip: Duration,
}

/// Asks a Redis. In a cluster, the node that has the key of `probe`.
///
/// # Errors
/// It can't be reached, does not answer in time, or refuses the login.
pub(super) async fn ask(target: &Target, probe: Cmd, limit: Duration) -> Result<Answers, String> {
    let asking = ask_patiently(target, probe, limit);
    let answered = tokio::time::timeout(limit, asking).await;
    answered.unwrap_or_else(|_| Err(SILENT.to_owned()))
}

async fn ask_patiently(target: &Target, probe: Cmd, limit: Duration) -> Result<Answers, String> {
    let said = |error: &redis::RedisError| plainly(error);
    let mut connection = Connection::lazy_for(target, probe, limit);
    let pong: RedisResult<String> = redis::cmd("PING").query_async(&mut connection).await;
    pong.map_err(|error| said(&error))?;
    let began = Instant::now();
    let time: RedisResult<(i64, u32)> = redis::cmd("TIME").query_async(&mut connection).await;
    let (round_trip, read_at) = (began.elapsed(), Utc::now());
    let info: RedisResult<String> = redis::cmd("INFO").query_async(&mut connection).await;
    // By the commands that the service uses, so that it takes the same rights.
    let script = Script::new("return 1");
    let scripts = script.key(KEY).invoke_async(&mut connection).await;
    Ok(Answers {
        info: info.ok(),
        scripts,
        time: time
            .ok()
            .and_then(|(seconds, micros)| DateTime::from_timestamp(seconds, micros * 1000)),
        read_at,
        round_trip,
    })
}

pub(super) async fn look(subject: &Subject) -> Vec<Line> {
    let Some(servers) = &subject.servers else {
        let all = [REACHABLE].into_iter().chain(BEHIND_A_CONNECTION);
        return all.map(|id| Line::not_seen(id, NOT_RUNNING)).collect();
    };
    let unseen = |why: &str| {
        BEHIND_A_CONNECTION
            .map(|id| Line::not_seen(id, why))
            .to_vec()
    };
    if servers.redis.expose_secret().is_empty() {
        let why = "redis.url is not set";
        return [vec![Line::not_seen(REACHABLE, why)], unseen(why)].concat();
    }
    let target = match Targets::of(&subject.config, &servers.redis) {
        Ok(targets) => targets.of_all,
        Err(problem) => {
            let first = Line::not_well(REACHABLE, problem.to_string(), "correct this setting");
            return [vec![first], unseen("Redis can't be reached")].concat();
        }
    };
    let mut probe = redis::cmd("HGET");
    probe.arg(KEY).arg("owner");
    match ask(&target, probe, subject.limit).await {
        Ok(answers) => judge(&target, &answers),
        Err(problem) => {
            let first = Line::not_well(
                REACHABLE,
                format!("{} can't be used: {problem}", target.place()),
                "see if Redis runs there, and correct SPLITCART_REDIS_URL (address, user, password); the \
                 service goes on without it, more slowly",
            );
            [vec![first], unseen("Redis can't be reached")].concat()
        }
    }
}

fn judge(target: &Target, answers: &Answers) -> Vec<Line> {
    let problem_in = |info| redis_role::problem_in(info, target.is_cluster());
    vec![
        Line::well(REACHABLE, format!("{} answers", target.place())),
        version(VERSION, answers, OLDEST, ""),
        match answers.info.as_deref().map(problem_in) {
            None => not_informed(ROLE),
            Some(None) => Line::well(ROLE, "it takes writes"),
            Some(Some(problem)) => {
                let (found, remedy) = problem
                    .split_once(": ")
                    .unwrap_or((problem, "wait until it has"));
                Line::not_well(ROLE, found, remedy)
            }
        },
        match &answers.scripts {
            Ok(_) => Line::well(SCRIPTS, "its user may run scripts"),
            Err(error) => Line::not_well(
                SCRIPTS,
                format!("it does not run our scripts: {}", plainly(error)),
                "let the user run EVALSHA and SCRIPT LOAD on the keys splitcart:idempotency:* (docs/redis.md has all \
                 rights), and see the line redis.role",
            ),
        },
        match answers.time {
            None => Line::not_seen(CLOCK, "its user may not run TIME"),
            Some(theirs) => {
                let ahead_ms = (theirs - answers.read_at).num_milliseconds();
                clock(CLOCK, ahead_ms, answers.round_trip)
            }
        },
    ]
}

pub(super) fn not_informed(id: &'static str) -> Line {
    Line::not_seen(id, "its user may not run INFO")
}

/// Judges a version by the least that is needed; `why` follows in the line.
pub(super) fn version(id: &'static str, answers: &Answers, least: (u32, u32), why: &str) -> Line {
    let Some(name) = answers.info.as_deref().map(version_in) else {
        return not_informed(id);
    };
    let (Some(parsed), name) = (parse(&name), name) else {
        return Line::not_seen(id, "it does not say its version");
    };
    if parsed >= least {
        return Line::well(id, format!("Redis {name}"));
    }
    let needed = format!("{}.{}", least.0, least.1);
    let found = format!("Redis {name} is older than {needed}{why}");
    Line::not_well(id, found, format!("use Redis {needed} or newer, or Valkey"))
}

/// Valkey reports the version of Redis that it is compatible with under this name.
fn version_in(info: &str) -> String {
    info_field(info, "redis_version")
        .unwrap_or_default()
        .to_owned()
}

fn parse(version: &str) -> Option<(u32, u32)> {
    let mut parts = version.split('.').map(str::parse);
    Some((parts.next()?.ok()?, parts.next()?.ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(version_of: &str, least: (u32, u32)) -> Line {
        let answers = Answers {
            info: Some(format!("redis_version:{version_of}\r\n")),
            scripts: Ok(Value::Okay),
            time: None,
            read_at: Utc::now(),
            round_trip: Duration::ZERO,
        };
        version(VERSION, &answers, least, "")
    }

    #[test]
    fn versions_are_compared_by_number() {
        use crate::doctor::report::State;
        assert_eq!(line("5.0.14", OLDEST).state, State::NotWell);
        assert_eq!(line("6.0.16", OLDEST).state, State::Well);
        assert_eq!(line("10.0.0", OLDEST).state, State::Well);
        assert_eq!(line("7.0.15", (7, 2)).state, State::NotWell);
        assert_eq!(line("", OLDEST).state, State::NotSeen);
    }
}
