//! `POST /api/v1/checkout` and its dry run, `POST /api/v1/checkout/preview`.

use actix_web::{HttpRequest, HttpResponse, web};
use chrono::{SubsecRound, Utc};

use crate::{
    actors::{
        command::{CheckoutCommand, Decision},
        preview::preview,
    },
    domain::{
        caller::Access,
        idempotency::{Fingerprint, Scope, StoredResponse},
        order::Checkout,
    },
    idempotency::fingerprint,
};

use super::{
    auth,
    bodies::{self, checkout::CheckoutRequestBody},
    body,
    error::ApiError,
    idempotent::{self, Ran},
    json,
    paths::CHECKOUT,
    state::State,
};

/// Buys a cart, exactly once per key (PF-083).
///
/// # Errors
/// See the contract.
pub async fn post(
    request: HttpRequest,
    payload: web::Payload,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let identity = auth::identity(&request, &state)?;
    // Before anything that costs: under a crowd most of what can be done for the rest is to say so.
    state.desk.check_room()?;
    // Rarely needed, and a query's future is large: boxed, it is no part of every request's.
    let admit = || Box::pin(auth::admit_to_key(&state, identity));
    let key = match body::idempotency_key(&request) {
        Ok(key) => key,
        Err(error) => {
            admit().await?;
            return Err(error);
        }
    };
    let (wish, fingerprint) = match read(&request, payload).await {
        Ok(asked) => asked,
        Err(error) => {
            // A store that may not buy is told so, not what was wrong with the body.
            auth::admit_to_buy(&state, identity, Access::Change).await?;
            return Err(error);
        }
    };
    let scope = Scope {
        user_id: identity.user_id,
        store_id: identity.store_id,
        method: "POST",
        path: CHECKOUT,
        key,
    };
    let request = wish.by(identity.user_id, identity.store_id);
    let desk = state.desk.clone();
    // The gate of a checkout that is carried out is in its transaction, beside all else that decides
    // it: one statement for a whole batch of callers.
    let work = move |scope| async move {
        let command = CheckoutCommand {
            request,
            scope,
            fingerprint,
            render,
        };
        match desk.submit(command).await? {
            Decision::Created(response) => Ok(Ran::Now(response)),
            Decision::Replayed(response) => Ok(Ran::Before(response)),
            Decision::Refused(refusal) => Err(refusal.into()),
        }
    };
    let keep_for = state.keep_checkout_answers_for;
    let ran = idempotent::once(&state, scope, fingerprint, keep_for, admit, work).await?;
    Ok(idempotent::respond(ran))
}

/// Says what a checkout would come to now: the same body, the same refusals, nothing written or locked.
///
/// # Errors
/// See the contract.
pub async fn post_preview(
    request: HttpRequest,
    payload: web::Payload,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let identity = auth::identity(&request, &state)?;
    let buyer = auth::admit_to_buy(&state, identity, Access::Read).await?;
    let body = body::json(&request, payload).await?;
    let wish = json::read::<CheckoutRequestBody>(&body)
        .map_err(|problems| ApiError::malformed(&problems))?;
    let now = Utc::now().trunc_subsecs(6);
    let (wanted, terms) = (wish.by(identity.user_id, identity.store_id), state.terms);
    let foreseen = state
        .read_snapshot(async |snapshot| preview(snapshot, wanted, buyer, terms, now).await)
        .await??;
    Ok(HttpResponse::Ok()
        .content_type("application/json")
        .body(bodies::preview::render(&foreseen, state.terms.price_hold)))
}

async fn read(
    request: &HttpRequest,
    payload: web::Payload,
) -> Result<(CheckoutRequestBody, Fingerprint), ApiError> {
    let body = body::json(request, payload).await?;
    let wish = json::read::<CheckoutRequestBody>(&body)
        .map_err(|problems| ApiError::malformed(&problems))?;
    Ok((wish, fingerprint::of_body(&body.canonical())))
}

/// The answer that is kept of a checkout.
pub fn render(checkout: &Checkout) -> StoredResponse {
    StoredResponse {
        status: 201,
        body: bodies::checkout::render(checkout),
    }
}
