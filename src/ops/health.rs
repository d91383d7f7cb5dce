//! Liveness and readiness.
//!
//! Readiness must depend neither on a free connection of a pool nor on PostgreSQL accepting another
//! login, so it asks over a connection of its own, which stays open.

use std::time::{Duration, Instant};

use actix_web::{HttpResponse, web};
use secrecy::SecretString;
use serde_json::json;
use sqlx::PgConnection;
use tokio::{sync::Mutex, time::timeout};

use crate::{
    db::{
        self,
        pool::{Limits as PoolLimits, Workload},
    },
    outbox::sink_state::{SinkState, SinkStates},
};

use super::{Ops, redis_role};

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
pub struct Remembered(Mutex<Option<(Instant, Dependencies)>>);

#[derive(Clone, Debug)]
struct Dependencies {
    database: Result<(), (&'static str, String)>,
    redis: Redis,
}

/// The state of Redis in a word or a sentence, and the servers that commands go to.
#[derive(Clone, Debug)]
struct Redis {
    state: String,
    servers: Vec<redis_role::Server>,
}

impl Remembered {
    async fn of(&self, ops: &Ops) -> Dependencies {
        let mut remembered = self.0.lock().await;
        if let Some((at, dependencies)) = remembered.as_ref()
            && at.elapsed() < REMEMBERED_FOR
        {
            return dependencies.clone();
        }
        let (database, redis) = tokio::join!(database(ops), redis(ops));
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
    let mut reasons = Vec::new();
    let database = match database {
        Ok(()) => "ready",
        Err((state, reason)) => {
            reasons.push(reason);
            state
        }
    };
    for (what, stalled_for) in [
        ("checkouts", ops.checkouts.stalled_for()),
        ("carts", ops.carts.stalled_for()),
        ("orders", ops.orders.stalled_for()),
        ("stock counts", ops.counts.stalled_for()),
    ] {
        if stalled_for.is_some_and(|time| time >= STALLED_AFTER) {
            reasons.push(format!(
                "no batch of {what} has ended for {} s or longer while {what} wait",
                STALLED_AFTER.as_secs()
            ));
        }
    }
    if stopping {
        reasons.push("the service is stopping".to_owned());
    }
    let ready = reasons.is_empty();
    let events = events(&ops.sinks);
    let body = json!({
        "status": if ready { "ready" } else { "not ready" },
        "reasons": reasons,
        "postgresql": database,
        "redis": redis.state,
        "redis_servers": redis.servers,
        "events": events,
        "stopping": stopping,
    });
    if ready {
        HttpResponse::Ok().json(body)
    } else {
        HttpResponse::ServiceUnavailable().json(body)
    }
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

async fn database(ops: &Ops) -> Result<(), (&'static str, String)> {
    match timeout(ANSWER_WAIT_MAX, ops.database.missing_migrations()).await {
        Ok(Ok(0)) => Ok(()),
        Ok(Ok(missing)) => Err((
            "not migrated; run `splitcart migrate`",
            format!("{missing} migrations are missing"),
        )),
        Ok(Err(error)) => Err(("unreachable", error.to_string())),
        Err(_) => {
            let reason = format!("PostgreSQL does not answer within {ANSWER_WAIT_MAX:?}");
            Err(("unreachable", reason))
        }
    }
}

async fn redis(ops: &Ops) -> Redis {
    match timeout(ANSWER_WAIT_MAX, redis_role::servers(&ops.redis)).await {
        Ok(Ok(servers)) => Redis {
            state: redis_role::problem_of(&servers).unwrap_or_else(|| "ready".to_owned()),
            servers,
        },
        Ok(Err(_)) | Err(_) => Redis {
            state: "unreachable".to_owned(),
            servers: Vec::new(),
        },
    }
}
