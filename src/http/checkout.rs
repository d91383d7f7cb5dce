//! `POST /api/v1/checkout` and its dry run, `POST /api/v1/checkout/preview`.

use std::time::Duration;

use actix_web::{HttpRequest, HttpResponse, web};
use chrono::{SubsecRound, Utc};

use crate::{
    batching::Undecided,
    checkout::{
        batch::labels,
        command::{CheckoutCommand, Decision},
        preview::{Previewed, preview},
    },
    domain::{caller::Access, idempotency::StoredResponse, order::Checkout},
};

use super::{
    auth,
    bodies::{self, checkout::CheckoutRequestBody},
    body,
    error::ApiError,
    idempotent::{self, Answer},
    json,
    keyed::{Gate, Keyed, KeyedBody},
    paths::CHECKOUT,
    state::State,
};

impl KeyedBody for CheckoutRequestBody {
    const METHOD: &'static str = "POST";
    const PATH: &'static str = CHECKOUT;
    const GATE: Gate = Gate::EligibleBuyer;
    type Target = ();
    type Condition = ();

    fn check_room(state: &State) -> Result<(), Undecided> {
        state.checkouts.check_room()
    }

    fn condition(_: &HttpRequest) -> Result<(), ApiError> {
        Ok(())
    }

    fn keep_for(state: &State) -> Duration {
        state.keep_checkout_answers_for
    }
}

/// Buys a cart, exactly once per key (PF-083).
///
/// The gate for buyers is in the transaction: one statement for a whole batch of callers.
pub async fn post(keyed: Keyed<CheckoutRequestBody>) -> Result<HttpResponse, ApiError> {
    let Keyed {
        state,
        attempt,
        traceparent,
        body,
        ..
    } = keyed;
    let request = body.by(attempt.scope.user_id, attempt.scope.store_id);
    let fingerprint = attempt.fingerprint;
    let trip = attempt.trip.clone();
    let way = trip.clone();
    let desk = state.checkouts.clone();
    let work = move |scope| async move {
        let command = CheckoutCommand {
            request,
            scope,
            fingerprint,
            traceparent,
            trip,
            render,
        };
        way.enqueue();
        let answer = desk.submit(command).await;
        way.end(labels::of_answer(&answer), answer.is_ok());
        match answer? {
            Decision::Created(response) => Ok(Answer::Fresh(response)),
            Decision::Replayed(response) => Ok(Answer::Replayed(response)),
            Decision::Refused(refusal) => Err(refusal.into()),
        }
    };
    let answer = idempotent::once(&state, attempt, work).await?;
    Ok(answer.respond())
}

/// The answer to a checkout, as it is kept under the key.
pub fn render(checkout: &Checkout) -> StoredResponse {
    StoredResponse {
        status: 201,
        body: bodies::checkout::render(checkout),
    }
}

/// Answers what a checkout would come to now: the same body, the same refusals. Nothing is written or
/// locked.
pub async fn post_preview(
    request: HttpRequest,
    payload: web::Payload,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let identity = auth::identity(&request, &state)?;
    let buyer = auth::admit_to_buy(&state, identity, Access::Read).await?;
    let node = body::json(&request, payload).await?;
    let body: CheckoutRequestBody =
        json::read(&node).map_err(|problems| ApiError::malformed(&problems))?;
    let now = Utc::now().trunc_subsecs(6);
    let request = body.by(identity.user_id, identity.store_id);
    let terms = state.terms;
    let previewed = state
        .read_snapshot(async |snapshot| preview(snapshot, request, buyer, terms, now).await)
        .await?;
    match previewed {
        Previewed::Checkout(preview) => Ok(HttpResponse::Ok()
            .content_type("application/json")
            .body(bodies::preview::render(&preview, terms.price_hold))),
        Previewed::Refused(refusal) => Err(refusal.into()),
    }
}
