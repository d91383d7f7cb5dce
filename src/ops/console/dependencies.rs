//! Whether PostgreSQL and Redis answer now.
//!
//! Each is asked once a second by a task of its own. A server that is frozen shows because the question is
//! still open: nothing waits for the answer.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use actix_web::web;
use serde::Serialize;

use crate::outages;

use super::{
    super::{Ops, health},
    now_ms,
};

const ASK_EVERY: Duration = Duration::from_secs(1);
/// A server that has not answered for so long is shown as silent.
const SILENT_AFTER: Duration = Duration::from_millis(800);

/// Both states.
#[derive(Debug, Default)]
pub struct Dependencies {
    postgresql: Mutex<Probe>,
    redis: Mutex<Probe>,
}

/// The state of one server.
#[derive(Debug, Default)]
struct Probe {
    /// The time at which the open question was asked.
    asked_at: Option<(Instant, i64)>,
    /// The problem that the last answer showed.
    problem: Option<String>,
    /// The time since which the server has been away or had a problem, in milliseconds since 1970.
    bad_since_ms: Option<i64>,
}

/// The state of one server as it is sent.
#[derive(Clone, Debug, Serialize)]
pub struct Dependency {
    /// `None` if it answers and is well.
    pub problem: Option<String>,
    pub since_ms: Option<i64>,
}

impl Dependencies {
    pub(super) fn postgresql(&self) -> Dependency {
        state(&self.postgresql, outages::POSTGRESQL.is_away())
    }

    pub(super) fn redis(&self) -> Dependency {
        state(&self.redis, outages::REDIS.is_away())
    }
}

/// Asks both, for as long as the listener runs. Must be called on the thread that serves.
pub async fn ask_again_and_again(ops: web::Data<Ops>) {
    let dependencies = ops.console.dependencies();
    let postgresql = ask(&dependencies.postgresql, async || {
        health::database(&ops).await.map(|found| found.text)
    });
    let redis = ask(&dependencies.redis, async || {
        health::redis(&ops).await.map(|found| found.text)
    });
    tokio::join!(postgresql, redis);
}

async fn ask(probe: &Mutex<Probe>, find_problem: impl AsyncFn() -> Option<String>) {
    let mut ticks = tokio::time::interval(ASK_EVERY);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let asked_at_ms = now_ms();
        lock(probe).asked_at = Some((Instant::now(), asked_at_ms));
        let problem = find_problem().await;
        let mut probe = lock(probe);
        probe.asked_at = None;
        probe.problem = problem.map(in_short);
        probe.bad_since_ms = match probe.problem {
            None => None,
            Some(_) => probe.bad_since_ms.or(Some(asked_at_ms)),
        };
    }
}

/// The problem as the rest of a sentence about the server.
fn in_short(problem: String) -> String {
    let phrases = ["does not answer", "can't be reached"];
    let phrase = phrases.into_iter().find(|phrase| problem.contains(phrase));
    phrase.map_or(problem, str::to_owned)
}

fn state(probe: &Mutex<Probe>, is_away: bool) -> Dependency {
    let mut probe = lock(probe);
    let silent = probe
        .asked_at
        .filter(|(asked_at, _)| asked_at.elapsed() >= SILENT_AFTER);
    let problem = match (&probe.problem, silent) {
        (Some(problem), _) => Some(problem.clone()),
        (None, Some(_)) => Some("does not answer".to_owned()),
        (None, None) if is_away => Some("can't be used".to_owned()),
        (None, None) => None,
    };
    if problem.is_some() {
        let since_ms = silent.map_or_else(now_ms, |(_, asked_at_ms)| asked_at_ms);
        probe.bad_since_ms.get_or_insert(since_ms);
    } else {
        probe.bad_since_ms = None;
    }
    Dependency {
        problem,
        since_ms: probe.bad_since_ms,
    }
}

fn lock(probe: &Mutex<Probe>) -> MutexGuard<'_, Probe> {
    probe.lock().unwrap_or_else(PoisonError::into_inner)
}
