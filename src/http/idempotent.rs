//! Carries a request out once per Idempotency-Key: replays the first answer, refuses, or claims the
//! key, does the work and keeps its answer.

use std::{
    panic::AssertUnwindSafe,
    time::{Duration, Instant},
};

use actix_web::{
    HttpResponse, HttpResponseBuilder,
    http::{
        StatusCode,
        header::{self, ContentType, HeaderName},
    },
    web,
};
use futures_util::FutureExt;

use crate::{
    db,
    domain::idempotency::{Scope, StoredResponse},
    faults,
    idempotency::{
        incarnation::Name,
        redis_claims::{Begun, Known},
    },
    metrics::ReplayLabel,
    request_id,
};

use super::{
    auth::{self, Identity},
    bodies::checkout::location,
    error::ApiError,
    keyed::Attempt,
    state::State,
};

/// The header that marks a replayed answer.
pub const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

/// The time that an answer may take from its client to Redis.
const LOOK_AGAIN_AFTER: Duration = Duration::from_millis(20);
/// The most rounds of asking Redis, if its answers turn out to belong to another database.
const ROUNDS_MAX: u32 = 3;

/// A final answer.
#[derive(Debug)]
pub enum Answer {
    /// The work was done by this request.
    Fresh(StoredResponse),
    /// The work was done by an earlier request.
    Replayed(StoredResponse),
}

/// One round of asking Redis, and of working if the key is free.
enum Round<F> {
    /// The work was done or refused.
    Worked(Result<Answer, ApiError>),
    /// Redis knows the key, in this database. Nothing was done; the attempt and its work are handed back.
    Known(Known, Name, Attempt, F),
}

/// Answers from Redis if it knows the key, and does the work if not.
///
/// A known key is reported to active members of the store, whatever has become of its licence. The work has
/// a gate of its own.
///
/// From the claim on, everything runs in a task of its own: a client that hangs up, at any moment, neither
/// stops the work nor leaves its key claimed.
///
/// # Errors
/// 409 if the key is in use or was used for another request, or the work's own error. The key is free again
/// after an error of the work, also after a panic.
pub async fn once<F, W>(
    state: &web::Data<State>,
    mut attempt: Attempt,
    mut work: F,
) -> Result<Answer, ApiError>
where
    F: FnOnce(Scope) -> W + 'static,
    W: Future<Output = Result<Answer, ApiError>> + 'static,
{
    let identity = Identity {
        user_id: attempt.scope.user_id,
        store_id: attempt.scope.store_id,
    };
    for _ in 0..ROUNDS_MAX {
        let round = claim_and_work(state.clone(), attempt, work);
        let task = actix_web::rt::spawn(request_id::scope(request_id::current(), round));
        let (known, database);
        (known, database, attempt, work) = match task.await {
            Ok(Round::Worked(answer)) => return answer,
            Ok(Round::Known(known, database, attempt, work)) => (known, database, attempt, work),
            Err(error) => {
                tracing::error!(
                    http.request_id = request_id::current().as_deref(),
                    "a request's task died: {error}"
                );
                return Err(ApiError::internal());
            }
        };
        // Boxed: a query's future is large and rarely needed.
        Box::pin(auth::admit_to_key(state, identity)).await?;
        if is_current(state, database).await? {
            return answer_of(state, known);
        }
    }
    // Each round found another database: there are several behind one address.
    Err(ApiError::unavailable())
}

async fn claim_and_work<F, W>(state: web::Data<State>, attempt: Attempt, work: F) -> Round<F>
where
    F: FnOnce(Scope) -> W,
    W: Future<Output = Result<Answer, ApiError>>,
{
    let claim = match begin(&state, &attempt).await {
        Begun::Claimed(claim) | Begun::Unknown(claim) => claim,
        Begun::Known(known, database) => return Round::Known(known, database, attempt, work),
    };
    let answer = guarded(state.claims.renewing(&claim, work(attempt.scope))).await;
    match &answer {
        // The answer does not wait for Redis: a retry that comes in between looks once more.
        Ok(Answer::Fresh(response)) => {
            let response = response.clone();
            actix_web::rt::spawn(async move {
                state
                    .claims
                    .finish(claim, &response, attempt.keep_for)
                    .await;
                faults::place("after_redis").await;
            });
        }
        // A replayed answer is not cached again: its expiry is decided by PostgreSQL.
        Ok(Answer::Replayed(_)) | Err(_) => state.claims.release(claim).await,
    }
    Round::Worked(answer)
}

/// Asks Redis for the key. A key that is in progress may have been answered already, a moment before Redis
/// learns of it.
async fn begin(state: &State, attempt: &Attempt) -> Begun {
    let ask = async || {
        let began_at = Instant::now();
        let begun = state
            .claims
            .begin(&attempt.scope, attempt.fingerprint)
            .await;
        attempt.trip.asked_redis(began_at);
        begun
    };
    match ask().await {
        Begun::Known(Known::InProgress, _) => {
            tokio::time::sleep(LOOK_AGAIN_AFTER).await;
            ask().await
        }
        begun => begun,
    }
}

/// True if a database is the one that we are connected to. A database that was restored meanwhile knows
/// nothing of the answers in Redis.
async fn is_current(state: &State, database: Name) -> Result<bool, ApiError> {
    let incarnation = state
        .read(async |connection| db::incarnation::read(connection).await)
        .await?;
    let current = Name::of(&incarnation);
    let is_current = current == database;
    state.incarnation.set(current);
    Ok(is_current)
}

fn answer_of(state: &State, known: Known) -> Result<Answer, ApiError> {
    match known {
        Known::Answered(response) => {
            let source = ReplayLabel { source: "redis" };
            state.metrics.replays.get_or_create(&source).inc();
            Ok(Answer::Replayed(response))
        }
        Known::Reused => Err(ApiError::key_reused()),
        Known::InProgress => Err(ApiError::in_progress()),
    }
}

/// Turns a panic into an error, so that the key can be released. What the work has committed by then is
/// found by the retry.
async fn guarded(work: impl Future<Output = Result<Answer, ApiError>>) -> Result<Answer, ApiError> {
    let work = async {
        faults::place("in_request").await;
        work.await
    };
    AssertUnwindSafe(work)
        .catch_unwind()
        .await
        .unwrap_or_else(|_| {
            tracing::error!(
                http.request_id = request_id::current().as_deref(),
                "a request's work panicked"
            );
            Err(ApiError::internal())
        })
}

impl Answer {
    /// The answer's body.
    pub fn body(&self) -> &[u8] {
        let (Self::Fresh(response) | Self::Replayed(response)) = self;
        &response.body
    }

    /// The response that carries the answer.
    pub fn respond(self) -> HttpResponse {
        let (response, is_replayed) = match self {
            Self::Fresh(response) => (response, false),
            Self::Replayed(response) => (response, true),
        };
        let status = StatusCode::from_u16(response.status).expect("only successes are kept");
        let mut builder = HttpResponseBuilder::new(status);
        builder.content_type(ContentType::json());
        if status == StatusCode::CREATED
            && let Some(location) = location(&response.body)
        {
            builder.insert_header((header::LOCATION, location));
        }
        if is_replayed {
            builder.insert_header((REPLAYED, "true"));
        }
        builder.body(response.body)
    }
}
