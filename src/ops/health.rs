//! Liveness and readiness.
//!
//! Readiness must depend neither on a free connection of a pool nor on PostgreSQL accepting another
//! login, so it asks over a connection of its own, which stays open.

use std::time::{Duration, Instant};

use actix_web::{HttpResponse, web};
use chrono::Utc;
use secrecy::SecretString;
use serde_json::json;
use sqlx::PgConnection;
use tokio::{sync::Mutex, time::timeout};

use crate::{
    db::{
        self,
        pool::{Limits as PoolLimits, Workload},
    },
    outages::{POSTGRESQL, REDIS},
    outbox::sink_state::{SinkState, SinkStates},
};

use super::{
    Ops,
    problems::{FirstFound, Found, Reason},
    redis_role,
};

/// The time limit of an answer of PostgreSQL or Redis.
const ANSWER_WAIT_MAX: Duration = Duration::from_secs(2);
/// The part of that time for the open connection; the rest is for a new connection.
const KEPT_ANSWER_WAIT_MAX: Duration = Duration::from_millis(700);
/// The time without the end of any batch, while requests wait, after which the service does not recover by
/// itself: the limits of every batch are shorter.
const STALLED_AFTER: Duration = Duration::from_secs(10);
/// The time for which the state of PostgreSQL and Redis is cached.
const REMEMBERED_FOR: Duration = Duration::from_millis(500);

/// A connection to PostgreSQL that is replaced when it was lost. Its settings are those of a pool, so a
/// server that refuses the pools' settings refuses this connection too.
#[derive(Debug)]
pub struct KeptConnection {
    url: SecretString,
    limits: PoolLimits,
    connection: Mutex<Option<PgConnection>>,
}

impl KeptConnection {
    /// Connects on first use.
    pub fn to(url: &SecretString) -> Self {
        let limits = PoolLimits {
            workload: Workload::Reads,
            connections_max: 1,
            acquire_wait_max: ANSWER_WAIT_MAX,
            statement_max: ANSWER_WAIT_MAX,
            lock_wait_max: ANSWER_WAIT_MAX,
        };
        Self {
            url: url.clone(),
            limits,
            connection: Mutex::default(),
        }
    }

    async fn missing_migrations(&self) -> Result<usize, db::Error> {
        let mut kept = self.connection.lock().await;
        // Taken out of its place: if it does not answer, or the caller stops waiting, it is closed.
        if let Some(mut connection) = kept.take() {
            let missing = db::migrations::missing_migrations(&mut connection);
            if let Ok(Ok(missing)) = timeout(KEPT_ANSWER_WAIT_MAX, missing).await {
                *kept = Some(connection);
                return Ok(missing);
            }
        }
        let mut connection =
            db::pool::connect_as(&self.url, "splitcart readiness", self.limits).await?;
        let missing = db::migrations::missing_migrations(&mut connection).await?;
        *kept = Some(connection);
        Ok(missing)
    }
}

/// Opens readiness's connection before the first check. Must be called on the thread that serves.
pub async fn connect_early(ops: web::Data<Ops>) {
    drop(timeout(ANSWER_WAIT_MAX, ops.database.missing_migrations()).await);
}

/// The cached state of PostgreSQL and Redis: simultaneous checks share one query.
#[derive(Debug, Default)]
pub struct Remembered {
    dependencies: Mutex<Option<(Instant, Dependencies)>>,
    first_found: FirstFound,
}

#[derive(Clone, Debug)]
struct Dependencies {
    database: Option<Found>,
    redis: Redis,
}

/// The servers of Redis that commands go to, and what is wrong with them.
#[derive(Clone, Debug)]
struct Redis {
    servers: Vec<redis_role::Server>,
    problem: Option<Found>,
}

impl Remembered {
    async fn of(&self, ops: &Ops) -> Dependencies {
        let mut remembered = self.dependencies.lock().await;
        if let Some((at, dependencies)) = remembered.as_ref()
            && at.elapsed() < REMEMBERED_FOR
        {
            return dependencies.clone();
        }
        let (database, redis) = tokio::join!(database(ops), look_at_redis(ops));
        let dependencies = Dependencies { database, redis };
        *remembered = Some((Instant::now(), dependencies.clone()));
        dependencies
    }
}

/// Answers that the process is live: its event loop runs, and so do the coordinators of all desks.
pub(super) async fn live(ops: web::Data<Ops>) -> HttpResponse {
    let has_any_ended = ops.checkouts.has_ended()
        || ops.carts.has_ended()
        || ops.orders.has_ended()
        || ops.counts.has_ended();
    if has_any_ended {
        return HttpResponse::ServiceUnavailable()
            .json(json!({ "status": "dead", "reasons": ["a coordinator has ended"] }));
    }
    HttpResponse::Ok().json(json!({ "status": "alive" }))
}

/// Answers that requests can be served: PostgreSQL is reachable and migrated, batches end, and the
/// service is not stopping. Redis and the event stream are reported but not required.
pub(super) async fn ready(ops: web::Data<Ops>) -> HttpResponse {
    let Dependencies { database, redis } = ops.remembered.of(&ops).await;
    // Read last, so that no check answers "ready" once the service is stopping.
    let stopping = *ops.stopping.borrow();
    let postgresql = match &database {
        None => "ready",
        Some(found) if found.reason == Reason::PostgresqlNotMigrated => {
            "not migrated; run `splitcart migrate`"
        }
        Some(_) => "unreachable",
    };
    let redis_state = match &redis.problem {
        None => "ready",
        Some(found) if found.reason == Reason::RedisUnreachable => "unreachable",
        Some(found) => &found.text,
    }
    .to_owned();
    let mut found: Vec<_> = database.into_iter().chain(redis.problem).collect();
    found.extend(stalled(&ops));
    found.extend(of_sinks(&ops.sinks));
    if stopping {
        found.push(Found::new(
            Reason::Stopping,
            "the service is stopping",
            "nothing: it finishes what it has accepted, and ends; another instance must take the requests",
        ));
    }
    let problems = ops.remembered.first_found.date(found, Utc::now());
    let reasons: Vec<_> = problems
        .iter()
        .filter(|problem| problem.makes_unready)
        .map(|problem| problem.text.as_str())
        .collect();
    let ready = reasons.is_empty();
    let body = json!({
        "status": if ready { "ready" } else { "not ready" },
        "reasons": reasons,
        "problems": problems,
        "postgresql": postgresql,
        "redis": redis_state,
        "redis_servers": redis.servers,
        "events": events(&ops.sinks),
        "stopping": stopping,
    });
    if ready {
        HttpResponse::Ok().json(body)
    } else {
        HttpResponse::ServiceUnavailable().json(body)
    }
}

/// The desks whose batches do not end.
fn stalled(ops: &Ops) -> Vec<Found> {
    let desks = [
        (
            Reason::CheckoutsStalled,
            "checkouts",
            ops.checkouts.stalled_for(),
        ),
        (Reason::CartsStalled, "carts", ops.carts.stalled_for()),
        (Reason::OrdersStalled, "orders", ops.orders.stalled_for()),
        (
            Reason::CountsStalled,
            "stock counts",
            ops.counts.stalled_for(),
        ),
    ];
    let mut found = Vec::new();
    for (reason, what, stalled_for) in desks {
        let Some(time) = stalled_for.filter(|time| *time >= STALLED_AFTER) else {
            continue;
        };
        let text = format!(
            "no batch of {what} has ended for {} s or longer while {what} wait",
            STALLED_AFTER.as_secs()
        );
        let what_to_do = "look at pg_stat_activity and pg_locks for sessions that hold rows or hang; restart the \
            service if it stays so";
        found.push(Found::new(reason, text, what_to_do).lasting(time));
    }
    found
}

/// The sinks that take nothing, and the risks of the others.
fn of_sinks(sinks: &SinkStates) -> Vec<Found> {
    let mut found = Vec::new();
    for (sink, state) in sinks.present() {
        if let (Some(text), Some((reason, since))) = (state.down_because, state.down_since) {
            let text = format!("the sink {sink} takes no events, which wait: {text}");
            let down = Found::new(Reason::SinkDown, text, reason.what_to_do());
            found.push(down.since(Some(since)).of_sink(sink));
        }
        found.extend(state.concerns.iter().map(|concern| {
            let text = format!("the server of the sink {sink} {concern}");
            let what_to_do = "see \"Which Redis\" in docs/operations.md";
            Found::new(Reason::SinkAtRisk, text, what_to_do).of_sink(sink)
        }));
    }
    found
}

/// The state of every sink, and of all together.
fn events(sinks: &SinkStates) -> serde_json::Value {
    let mut each = serde_json::Map::new();
    let mut down = Vec::new();
    let mut all_concerns = Vec::new();
    for (
        sink,
        SinkState {
            down_because,
            concerns,
            ..
        },
    ) in sinks.present()
    {
        let state = down_because.as_deref().unwrap_or("flowing");
        each.insert(
            sink.to_owned(),
            json!({ "state": state, "concerns": concerns }),
        );
        down.extend(down_because.map(|cause| (sink, cause)));
        all_concerns.extend(concerns.into_iter().map(|concern| (sink, concern)));
    }
    // The only sink needs no name.
    let say = |(sink, text): (&str, String)| match each.len() {
        1 => text,
        _ => format!("{sink}: {text}"),
    };
    let down: Vec<_> = down.into_iter().map(say).collect();
    let state = if down.is_empty() {
        "flowing".to_owned()
    } else {
        down.join("; ")
    };
    let concerns: Vec<_> = all_concerns.into_iter().map(say).collect();
    json!({ "state": state, "concerns": concerns, "sinks": each })
}

pub(super) async fn database(ops: &Ops) -> Option<Found> {
    let unreachable = |text: String, advice: Option<&str>| {
        let what_to_do =
            advice.unwrap_or("see if PostgreSQL runs and is not overloaded, and its log");
        Found::new(Reason::PostgresqlUnreachable, text, what_to_do).since(POSTGRESQL.away_since())
    };
    match timeout(ANSWER_WAIT_MAX, ops.database.missing_migrations()).await {
        Ok(Ok(0)) => None,
        Ok(Ok(missing)) => Some(Found::new(
            Reason::PostgresqlNotMigrated,
            format!("{missing} migrations are missing"),
            "run `splitcart migrate` as the owner of the database",
        )),
        Ok(Err(error)) => Some(unreachable(error.to_string(), error.advice())),
        Err(_) => {
            let text = format!("PostgreSQL does not answer within {ANSWER_WAIT_MAX:?}");
            Some(unreachable(text, None))
        }
    }
}

pub(super) async fn redis(ops: &Ops) -> Option<Found> {
    look_at_redis(ops).await.problem
}

async fn look_at_redis(ops: &Ops) -> Redis {
    const GO_ON: &str = "the service goes on without it, more slowly";
    let found = |reason, text, what_to_do: &str| {
        let found = Found::new(reason, text, format!("{what_to_do}; {GO_ON}"));
        Some(found.since(REDIS.away_since()))
    };
    let text = match timeout(ANSWER_WAIT_MAX, redis_role::servers(&ops.redis)).await {
        Ok(Ok(servers)) => {
            let what_to_do = "point redis.url at servers that take all keys, or wait until they do";
            let problem = redis_role::problem_of(&servers)
                .and_then(|problem| found(Reason::RedisUnusable, problem, what_to_do));
            return Redis { servers, problem };
        }
        // The text of a server that is no Redis may be anything.
        Ok(Err(_)) => "Redis can't be reached, or refuses the login".to_owned(),
        Err(_) => format!("Redis does not answer within {ANSWER_WAIT_MAX:?}"),
    };
    let what_to_do = "see if Redis runs and answers, and its log";
    Redis {
        servers: Vec::new(),
        problem: found(Reason::RedisUnreachable, text, what_to_do),
    }
}
