//! Runs a request once per Idempotency-Key: replay, refuse, or claim, work and keep the answer.

use std::{panic::AssertUnwindSafe, time::Duration};

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
    domain::idempotency::{Fingerprint, Scope, StoredResponse},
    faults,
    idempotency::{
        claim::Claim,
        claims::{Begun, Known},
        incarnation::Name,
    },
    metrics::ReplayLabel,
    request_id,
};

use super::{checkout_body, error::ApiError, worker::Worker};

/// The header that marks a repeated answer.
pub const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

/// A final answer.
#[derive(Debug)]
pub enum Ran {
    /// The work was done just now.
    Now(StoredResponse),
    /// It had been done before.
    Before(StoredResponse),
}

impl Ran {
    /// The answer's body.
    pub fn body(&self) -> &[u8] {
        let (Self::Now(response) | Self::Before(response)) = self;
        &response.body
    }
}

/// How long an answer may take from its client to Redis.
const LOOK_AGAIN_AFTER: Duration = Duration::from_millis(20);
/// How often Redis is asked, if what it knows turns out to be of another database.
const ROUNDS_MAX: u32 = 3;

/// Answers from Redis if it knows the key, and else does the work.
///
/// `admit` is the gate for those who only hear what became of the key: members of the store, whatever
/// has become of its licence. The work has a gate of its own.
///
/// From the claim on all runs in a task of its own: a client that hangs up, at whatever moment,
/// neither stops the work nor leaves its key claimed.
///
/// # Errors
/// 409 if the key is in use or was used for another request, or the work's own error; the key is
/// free again after that, also after a panic.
pub async fn once<A, F, W>(
    worker: &web::Data<Worker>,
    scope: Scope,
    fingerprint: Fingerprint,
    keep_for: Duration,
    admit: impl Fn() -> A,
    work: F,
) -> Result<Ran, ApiError>
where
    A: Future<Output = Result<(), ApiError>>,
    F: FnOnce(Scope) -> W + 'static,
    W: Future<Output = Result<Ran, ApiError>> + 'static,
{
    let mut asked = Asked {
        scope,
        fingerprint,
        keep_for,
        work,
    };
    for _ in 0..ROUNDS_MAX {
        let work = claim_and_work(worker.clone(), asked);
        let task = actix_web::rt::spawn(request_id::scope(request_id::current(), work));
        match task.await {
            Ok(Outcome::Ran(ran)) => return ran,
            Ok(Outcome::Known(known, database, again)) => {
                admit().await?;
                if is_of(worker, database).await? {
                    return repeat(worker, known);
                }
                asked = again;
            }
            Err(error) => {
                tracing::error!(
                    http.request_id = request_id::current().as_deref(),
                    "a request's task died: {error}"
                );
                return Err(ApiError::internal());
            }
        }
    }
    // Each time that we ask it is another one: behind this address there are several.
    Err(ApiError::unavailable())
}

/// A request that wants to run once.
struct Asked<F> {
    scope: Scope,
    fingerprint: Fingerprint,
    keep_for: Duration,
    work: F,
}

/// What became of a request.
enum Outcome<F> {
    /// The key was free, and the work was done or refused.
    Ran(Result<Ran, ApiError>),
    /// Redis knew the key in this database: nothing was done.
    Known(Known, Name, Asked<F>),
}

async fn claim_and_work<F, W>(worker: web::Data<Worker>, asked: Asked<F>) -> Outcome<F>
where
    F: FnOnce(Scope) -> W,
    W: Future<Output = Result<Ran, ApiError>>,
{
    let begun = begin(&worker, &asked.scope, asked.fingerprint).await;
    let claim = match begun {
        Begun::Claimed(claim) | Begun::Unknown(claim) => claim,
        Begun::Known(known, database) => return Outcome::Known(known, database, asked),
    };
    let ran = guarded(renewing(&worker, &claim, (asked.work)(asked.scope))).await;
    match &ran {
        // The answer does not wait for Redis: whoever asks again in between is told to look once more.
        Ok(Ran::Now(response)) => {
            let response = response.clone();
            actix_web::rt::spawn(async move {
                worker.claims.finish(claim, &response, asked.keep_for).await;
                faults::place("after_redis").await;
            });
        }
        // Its time to live is PostgreSQL's to say: the key is freed and stays there only.
        Ok(Ran::Before(_)) | Err(_) => worker.claims.release(claim).await,
    }
    Outcome::Ran(ran)
}

/// Asks Redis for the key. One that somebody is at work on may have been answered already, a moment
/// before Redis hears of it.
async fn begin(worker: &Worker, scope: &Scope, fingerprint: Fingerprint) -> Begun {
    match worker.claims.begin(scope, fingerprint).await {
        Begun::Known(Known::InProgress, _) => {
            tokio::time::sleep(LOOK_AGAIN_AFTER).await;
            worker.claims.begin(scope, fingerprint).await
        }
        begun => begun,
    }
}

/// Whether that is the database that we are connected to. One that was restored meanwhile knows of
/// nothing that Redis would tell.
async fn is_of(worker: &Worker, database: Name) -> Result<bool, ApiError> {
    let incarnation = worker
        .read(async |connection| db::incarnation::read(connection).await)
        .await?;
    let present = Name::of(&incarnation);
    let is_present = present == database;
    worker.incarnation.set(present);
    Ok(is_present)
}

fn repeat(worker: &Worker, known: Known) -> Result<Ran, ApiError> {
    match known {
        Known::Answered(response) => {
            let source = ReplayLabel { source: "redis" };
            worker.metrics.replays.get_or_create(&source).inc();
            Ok(Ran::Before(response))
        }
        Known::Reused => Err(ApiError::key_reused()),
        Known::InProgress => Err(ApiError::in_progress()),
    }
}

/// Turns a panic into an error, so that its key can be given up: what the work had committed by then
/// is found by the retry.
async fn guarded(work: impl Future<Output = Result<Ran, ApiError>>) -> Result<Ran, ApiError> {
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

async fn renewing<W>(worker: &Worker, claim: &Claim, work: W) -> W::Output
where
    W: Future<Output = Result<Ran, ApiError>>,
{
    let renew = async {
        loop {
            tokio::time::sleep(worker.claims.renew_every()).await;
            worker.claims.renew(claim).await;
        }
    };
    tokio::select! {
        ran = work => ran,
        () = renew => unreachable!("the loop has no end"),
    }
}

/// The response to it.
pub fn respond(ran: Ran) -> HttpResponse {
    let (response, replayed) = match ran {
        Ran::Now(response) => (response, false),
        Ran::Before(response) => (response, true),
    };
    let status = StatusCode::from_u16(response.status).expect("only successes are kept");
    let mut builder = HttpResponseBuilder::new(status);
    builder.content_type(ContentType::json());
    if status == StatusCode::CREATED
        && let Some(location) = checkout_body::location(&response.body)
    {
        builder.insert_header((header::LOCATION, location));
    }
    if replayed {
        builder.insert_header((REPLAYED, "true"));
    }
    builder.body(response.body)
}
