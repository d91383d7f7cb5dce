//! Runs a request once per Idempotency-Key: replay, refuse, or claim, work and keep the answer.

use std::time::Duration;

use actix_web::{
    HttpResponse, HttpResponseBuilder,
    http::{StatusCode, header::ContentType, header::HeaderName},
    web,
};

use crate::{
    domain::idempotency::{Fingerprint, Scope, StoredResponse},
    faults,
    idempotency::claims::{Begun, Claim},
};

use super::{error::ApiError, worker::Worker};

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

/// Answers from Redis if it knows the key, and else does the work.
///
/// `admit` is the gate for those who only hear what became of the key; the work has one of its own,
/// or the caller has passed it already.
///
/// The work runs in a task of its own: a client that hangs up in the middle neither stops it nor
/// leaves its key claimed.
///
/// # Errors
/// 409 if the key is in use or was used for another request, or the work's own error; the key is
/// free again after that. After a panic it is free when the claim's lease ends.
pub async fn once<A, W>(
    worker: &web::Data<Worker>,
    scope: Scope,
    fingerprint: Fingerprint,
    keep_for: Duration,
    admit: impl FnOnce() -> A,
    work: impl FnOnce(Scope) -> W,
) -> Result<HttpResponse, ApiError>
where
    A: Future<Output = Result<(), ApiError>>,
    W: Future<Output = Result<Ran, ApiError>> + 'static,
{
    let known = match worker.claims.begin(&scope, fingerprint).await {
        Begun::Claimed(claim) | Begun::Unknown(claim) => Err(claim),
        Begun::Answered(response) => Ok(Ok(respond(Ran::Before(response)))),
        Begun::Reused => Ok(Err(ApiError::key_reused())),
        Begun::InProgress => Ok(Err(ApiError::in_progress())),
    };
    let claim = match known {
        Err(claim) => claim,
        Ok(answer) => {
            admit().await?;
            return answer;
        }
    };
    let (work, worker) = (work(scope), worker.clone());
    let task = actix_web::rt::spawn(async move {
        let ran = renewing(&worker, &claim, work).await;
        keep(&worker, claim, &ran, keep_for).await;
        ran
    });
    match task.await {
        Ok(ran) => ran.map(respond),
        Err(error) => {
            tracing::error!("a request's work died: {error}");
            Err(ApiError::internal())
        }
    }
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

async fn keep(worker: &Worker, claim: Claim, ran: &Result<Ran, ApiError>, keep_for: Duration) {
    match ran {
        Ok(Ran::Now(response)) => {
            worker.claims.finish(claim, response, keep_for).await;
            faults::place("after_redis").await;
        }
        // Its time to live is PostgreSQL's to say: the key is freed and stays there only.
        Ok(Ran::Before(_)) | Err(_) => worker.claims.release(claim).await,
    }
}

fn respond(ran: Ran) -> HttpResponse {
    let (response, replayed) = match ran {
        Ran::Now(response) => (response, false),
        Ran::Before(response) => (response, true),
    };
    let status = StatusCode::from_u16(response.status).expect("only successes are kept");
    let mut builder = HttpResponseBuilder::new(status);
    builder.content_type(ContentType::json());
    if replayed {
        builder.insert_header((REPLAYED, "true"));
    }
    builder.body(response.body)
}
