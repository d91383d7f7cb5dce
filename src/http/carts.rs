//! `PUT` and `GET /api/v1/cart`, and `POST /api/v1/cart/quote`.

use std::time::Duration;

use actix_web::{HttpRequest, HttpResponse, http::header, web};
use chrono::Utc;

use crate::{
    batching::Undecided,
    carts::{self, Decision, FreezeCart, NamedCart},
    domain::{
        caller::Access,
        cart::{CartContent, PriceHold},
        idempotency::StoredResponse,
        precondition::Precondition,
    },
    idempotency::fingerprint,
};

use super::{
    auth,
    bodies::{
        cart::{self, CartRequestBody},
        quote::{self, QuoteRequestBody},
    },
    body,
    error::{ApiError, Code},
    idempotent::{self, Answer},
    json,
    keyed::{Gate, Keyed, KeyedBody},
    paths::CART,
    precondition,
    state::State,
};

impl KeyedBody for CartRequestBody {
    const METHOD: &'static str = "PUT";
    const PATH: &'static str = CART;
    const GATE: Gate = Gate::EligibleBuyer;
    type Target = ();
    type Condition = Precondition;

    fn check_room(state: &State) -> Result<(), Undecided> {
        state.carts.check_room()
    }

    fn condition(request: &HttpRequest) -> Result<Precondition, ApiError> {
        precondition::of_put(request)
    }

    fn keep_for(state: &State) -> Duration {
        state.keep_cart_answers_for
    }
}

/// Freezes a cart (PF-075).
pub async fn put(keyed: Keyed<CartRequestBody>) -> Result<HttpResponse, ApiError> {
    let Keyed {
        state,
        attempt,
        condition,
        body,
        ..
    } = keyed;
    let command = FreezeCart {
        user_id: attempt.scope.user_id,
        store_id: attempt.scope.store_id,
        request: body.into(),
        scope: fingerprint::of_scope(&attempt.scope),
        fingerprint: attempt.fingerprint,
        precondition: condition,
        render,
    };
    let desk = state.carts.clone();
    let work = move |_| async move {
        match desk.submit(command).await? {
            Decision::Frozen(response) => Ok(Answer::Fresh(response)),
            Decision::Replayed(response) => Ok(Answer::Replayed(response)),
            Decision::Refused(refusal) => Err(refusal.into()),
        }
    };
    let answer = idempotent::once(&state, attempt, work).await?;
    // The version in the answer, which is an earlier one where the answer is replayed.
    let tag = cart::tag(answer.body());
    let mut response = answer.respond();
    if let Some(tag) = tag {
        let value = precondition::etag(tag);
        response.headers_mut().insert(header::ETAG, value);
    }
    Ok(response)
}

/// The answer to a PUT, as it is kept under the key.
pub fn render(cart: &NamedCart, price_hold: PriceHold) -> StoredResponse {
    StoredResponse {
        status: 200,
        body: cart::render(cart, price_hold),
    }
}

/// Reads the active cart (PF-076).
pub async fn get(request: HttpRequest, state: web::Data<State>) -> Result<HttpResponse, ApiError> {
    let identity = auth::identity(&request, &state)?;
    let known = precondition::known(&request);
    let buyer = auth::admit_to_buy(&state, identity, Access::Read).await?;
    let known = known?;
    let found = state
        .read(async |connection| carts::get_active(connection, buyer.id).await)
        .await?;
    let cart = found.ok_or_else(|| {
        let message = "Your store has no active cart; PUT /api/v1/cart starts one.";
        ApiError::new(Code::NotFound, message)
    })?;
    let tag = cart.cart.head.tag();
    let etag = (header::ETAG, precondition::etag(tag));
    if known.is_some_and(|known| known.name(Some(tag))) {
        return Ok(HttpResponse::NotModified().insert_header(etag).finish());
    }
    Ok(HttpResponse::Ok()
        .content_type("application/json")
        .insert_header(etag)
        .body(cart::render(&cart, state.terms.price_hold)))
}

/// Answers what a PUT of a cart would freeze now: the same body without `totals`, the same rules.
/// Nothing is written or locked.
pub async fn post_quote(
    request: HttpRequest,
    payload: web::Payload,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let identity = auth::identity(&request, &state)?;
    let buyer = auth::admit_to_buy(&state, identity, Access::Read).await?;
    let node = body::json(&request, payload).await?;
    let body: QuoteRequestBody =
        json::read(&node).map_err(|problems| ApiError::malformed(&problems))?;
    let content = CartContent::from(body);
    let now = Utc::now();
    let quoted = state
        .read_snapshot(async |snapshot| carts::quote(snapshot, &content, buyer, now).await)
        .await?;
    Ok(HttpResponse::Ok()
        .content_type("application/json")
        .body(quote::render(&quoted)))
}
