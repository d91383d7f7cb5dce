//! `PUT` and `GET /api/v1/cart`, and `POST /api/v1/cart/quote`.

use actix_web::{HttpRequest, HttpResponse, http::header, web};
use chrono::Utc;

use crate::{
    carts::{self, Decision, FreezeCart, NamedCart},
    domain::{
        caller::Access,
        cart::{CartContent, CartRequest, PriceHold},
        idempotency::{Fingerprint, Scope, StoredResponse},
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
    idempotent::{self, Ran},
    json,
    paths::CART,
    precondition,
    state::State,
};

/// Freezes a cart (PF-075).
///
/// # Errors
/// See the contract.
pub async fn put(
    request: HttpRequest,
    payload: web::Payload,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let identity = auth::identity(&request, &state)?;
    state.carts.check_room()?;
    // Rarely needed, and a query's future is large: boxed, it is no part of every request's.
    let admit = || Box::pin(auth::admit_to_key(&state, identity));
    let head =
        body::idempotency_key(&request).and_then(|key| Ok((key, precondition::of_put(&request)?)));
    let (key, precondition) = match head {
        Ok(head) => head,
        Err(error) => {
            admit().await?;
            return Err(error);
        }
    };
    let (cart, fingerprint) = match read(&request, payload).await {
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
        method: "PUT",
        path: CART,
        key,
    };
    let command = FreezeCart {
        user_id: identity.user_id,
        store_id: identity.store_id,
        request: cart,
        scope: fingerprint::of_scope(&scope),
        fingerprint,
        precondition,
        render,
    };
    let desk = state.carts.clone();
    let work = move |_| async move {
        match desk.submit(command).await? {
            Decision::Frozen(response) => Ok(Ran::Now(response)),
            Decision::Replayed(response) => Ok(Ran::Before(response)),
            Decision::Refused(refusal) => Err(refusal.into()),
        }
    };
    let keep_for = state.keep_cart_answers_for;
    let ran = idempotent::once(&state, scope, fingerprint, keep_for, admit, work).await?;
    let tag = cart::tag(ran.body());
    let mut response = idempotent::respond(ran);
    // Of the version that the answer tells of, also when it is a first answer repeated.
    if let Some(tag) = tag {
        let value = precondition::etag(tag);
        response.headers_mut().insert(header::ETAG, value);
    }
    Ok(response)
}

/// The answer that is kept of a cart.
pub fn render(cart: &NamedCart, price_hold: PriceHold) -> StoredResponse {
    StoredResponse {
        status: 200,
        body: cart::render(cart, price_hold),
    }
}

async fn read(
    request: &HttpRequest,
    payload: web::Payload,
) -> Result<(CartRequest, Fingerprint), ApiError> {
    let body = body::json(request, payload).await?;
    let cart =
        json::read::<CartRequestBody>(&body).map_err(|problems| ApiError::malformed(&problems))?;
    Ok((cart.into(), fingerprint::of_body(&body.canonical())))
}

/// Reads the active cart (PF-076).
///
/// # Errors
/// See the contract.
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

/// Says what a PUT of a cart would freeze now: the same body without `totals`, the same rules, all of them
/// at once. Nothing is written or locked.
///
/// # Errors
/// See the contract.
pub async fn post_quote(
    request: HttpRequest,
    payload: web::Payload,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let identity = auth::identity(&request, &state)?;
    let buyer = auth::admit_to_buy(&state, identity, Access::Read).await?;
    let body = body::json(&request, payload).await?;
    let content =
        json::read::<QuoteRequestBody>(&body).map_err(|problems| ApiError::malformed(&problems))?;
    let content = CartContent::from(content);
    let now = Utc::now();
    let quoted = state
        .read_snapshot(async |snapshot| carts::quote(snapshot, &content, buyer, now).await)
        .await?;
    Ok(HttpResponse::Ok()
        .content_type("application/json")
        .body(quote::render(&quoted)))
}
