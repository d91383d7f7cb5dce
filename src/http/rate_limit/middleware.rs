//! The middleware of the rate limits: it takes one request of the address, and writes what is left into the
//! answer.

use actix_web::{
    HttpMessage,
    body::{BoxBody, MessageBody},
    dev::{ServiceRequest, ServiceResponse},
    middleware::Next,
    web,
};

use crate::http::{auth::Identity, error::ApiError, state::State};

use super::RateLimits;

/// The middleware.
///
/// # Errors
/// Only what a middleware inside this one fails with.
pub async fn limit<B: MessageBody + 'static>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<BoxBody>, actix_web::Error> {
    let state = request.app_data::<web::Data<State>>();
    let Some(limits) = state.and_then(|state| state.rate_limits.clone()) else {
        return Ok(next.call(request).await?.map_into_boxed_body());
    };
    let (left, taken) = limits.take_of_address(&request);
    let mut response = match taken {
        Ok(()) => hide_codes(&limits, next.call(request).await?.map_into_boxed_body()),
        Err(refused) => request.error_response(refused),
    };
    let user = response.request().extensions().get().copied();
    limits.write(response.headers_mut(), left, user);
    Ok(response)
}

/// Keeps users from finding discount codes by trying them all.
fn hide_codes(limits: &RateLimits, response: ServiceResponse) -> ServiceResponse {
    let error = response.response().error();
    let guesses = error
        .and_then(|error| error.as_error::<ApiError>())
        .map_or(0, |error| error.code_guesses);
    let user = response
        .request()
        .extensions()
        .get::<Identity>()
        .map(|identity| identity.user_id);
    let (1.., Some(user)) = (guesses, user) else {
        return response;
    };
    match limits.judge_guesses(user, guesses) {
        Ok(()) => response,
        Err(refused) => {
            let (request, _) = response.into_parts();
            ServiceResponse::from_err(refused, request)
        }
    }
}
