//! Liveness and readiness.
//!
//! Readiness must not depend on whether a pool is busy, nor on whether PostgreSQL lets anybody new in: it
//! asks over a connection of its own, which is kept.

use std::time::{Duration, Instant};

use actix_web::{HttpResponse, web};
use secrecy::SecretString;
use serde_json::json;
use sqlx::PgConnection;
use tokio::{sync::Mutex, time::timeout};

use crate::db::{
    self,
    pool::{Limits as PoolLimits, Workload},
};

use super::{Ops, redis_role};

/// How long PostgreSQL and Redis may take to answer.
const ANSWER_WAIT_MAX: Duration = Duration::from_secs(2);
/// How long the kept connection may take of it: then there is time for a new one.
const KEPT_ANSWER_WAIT_MAX: Duration = Duration::from_millis(700);
/// After so long without the end of any batch, while some wait, something is wrong that does not mend
/// itself: every batch has limits that are shorter.
const STALLED_AFTER: Duration = Duration::from_secs(10);
/// How long an answer of theirs is remembered.
const REMEMBERED_FOR: Duration = Duration::from_millis(500);

/// A connection to PostgreSQL that is made anew when it was lost; with settings of a pool's, so that it
/// is refused where theirs are.
#[derive(Debug)]
pub struct KeptConnection {
    url: SecretString,
    limits: PoolLimits,
    connection: Mutex<Option<PgConnection>>,
}

impl KeptConnection {
    /// Connects when first asked.
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
        // Taken out: one that does not answer is closed, whoever gives up waiting.
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

/// Makes the connection that readiness will ask. Must be called on the thread that serves.
pub async fn connect_early(ops: web::Data<Ops>) {
    drop(timeout(ANSWER_WAIT_MAX, ops.database.missing_migrations()).await);
}

/// What PostgreSQL and Redis have said, remembered for a moment: however many ask, they are asked once.
#[derive(Debug, Default)]
pub struct Remembered(Mutex<Option<(Instant, Dependencies)>>);

#[derive(Clone, Debug)]
struct Dependencies {
    database: Result<(), (&'static str, String)>,
    redis: String,
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

/// The process runs, its event loop turns, and those who carry checkouts and carts out are there.
pub(super) async fn live(ops: web::Data<Ops>) -> HttpResponse {
    if ops.checkouts.has_ended() || ops.carts.has_ended() {
        return HttpResponse::ServiceUnavailable()
            .json(json!({ "status": "dead", "reasons": ["a coordinator has ended"] }));
    }
    HttpResponse::Ok().json(json!({ "status": "alive" }))
}

/// Requests can be served: PostgreSQL is reachable and migrated, batches end, and we are not shutting
/// down. Redis and the event stream are reported but not required.
pub(super) async fn ready(ops: web::Data<Ops>) -> HttpResponse {
    let Dependencies { database, redis } = ops.remembered.of(&ops).await;
    // After that: nobody hears "ready" who asks once we are stopping.
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
    ] {
        if stalled_for.is_some_and(|time| time >= STALLED_AFTER) {
            reasons.push(format!(
                "no batch of {what} has ended for {} s or longer, and some wait",
                STALLED_AFTER.as_secs()
            ));
        }
    }
    if stopping {
        reasons.push("the service is stopping".to_owned());
    }
    let ready = reasons.is_empty();
    let sink = ops.sink.borrow().clone();
    let events = json!({
        "state": sink.down_because.as_deref().unwrap_or("flowing"),
        "concerns": sink.concerns,
    });
    let body = json!({
        "status": if ready { "ready" } else { "not ready" },
        "reasons": reasons,
        "postgresql": database,
        "redis": redis,
        "events": events,
        "stopping": stopping,
    });
    if ready {
        HttpResponse::Ok().json(body)
    } else {
        HttpResponse::ServiceUnavailable().json(body)
    }
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

/// Whether it takes what we keep there; if not, why.
async fn redis(ops: &Ops) -> String {
    match timeout(ANSWER_WAIT_MAX, redis_role::judge(&ops.redis_url)).await {
        Ok(Ok(None)) => "ready".to_owned(),
        Ok(Ok(Some(problem))) => problem,
        Ok(Err(_)) | Err(_) => "unreachable".to_owned(),
    }
}
