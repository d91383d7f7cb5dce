//! Liveness and readiness.
//!
//! Each question to PostgreSQL and Redis takes a connection of its own: readiness must not depend on
//! whether a pool is busy.

use std::time::Duration;

use actix_web::{HttpResponse, web};
use secrecy::ExposeSecret;
use serde_json::json;

use crate::db;

use super::Ops;

/// How long PostgreSQL and Redis may take to answer.
const ANSWER_WAIT_MAX: Duration = Duration::from_secs(2);

/// The process runs and its event loop turns.
pub(super) async fn live() -> HttpResponse {
    HttpResponse::Ok().json(json!({ "status": "alive" }))
}

/// Requests can be served: PostgreSQL is reachable and migrated, and we are not shutting down.
/// Redis is reported but not required.
pub(super) async fn ready(ops: web::Data<Ops>) -> HttpResponse {
    let (database, redis) = tokio::join!(database(&ops), redis(&ops));
    let stopping = *ops.stopping.borrow();
    let ready = database == "ready" && !stopping;
    let body = json!({
        "status": if ready { "ready" } else { "not ready" },
        "postgresql": database,
        "redis": redis,
        "stopping": stopping,
    });
    if ready {
        HttpResponse::Ok().json(body)
    } else {
        HttpResponse::ServiceUnavailable().json(body)
    }
}

async fn database(ops: &Ops) -> &'static str {
    let missing = async {
        let mut connection = db::pool::connect(&ops.database_url).await?;
        db::pool::missing_migrations(&mut connection).await
    };
    match tokio::time::timeout(ANSWER_WAIT_MAX, missing).await {
        Ok(Ok(0)) => "ready",
        Ok(Ok(_)) => "not migrated; run `splitcart migrate`",
        Ok(Err(_)) | Err(_) => "unreachable",
    }
}

async fn redis(ops: &Ops) -> &'static str {
    let ping = async {
        let client = redis::Client::open(ops.redis_url.expose_secret())?;
        let mut connection = client.get_multiplexed_async_connection().await?;
        redis::cmd("PING")
            .query_async::<String>(&mut connection)
            .await
    };
    match tokio::time::timeout(ANSWER_WAIT_MAX, ping).await {
        Ok(Ok(_)) => "ready",
        Ok(Err(_)) | Err(_) => "unreachable",
    }
}
