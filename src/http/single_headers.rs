//! Headers that may appear only once. If one appears twice, a proxy may read the first and we the
//! second: such a request is refused, whatever the order.

use actix_web::{
    body::{BoxBody, MessageBody},
    dev::{ServiceRequest, ServiceResponse},
    http::header::{self, HeaderName},
    middleware::Next,
};

use super::{error::ApiError, json::FieldProblem};

/// With their names as people write them.
const SINGLE: [(HeaderName, &str); 6] = [
    (header::AUTHORIZATION, "Authorization"),
    (header::CONTENT_TYPE, "Content-Type"),
    (
        HeaderName::from_static("idempotency-key"),
        "Idempotency-Key",
    ),
    (header::IF_MATCH, "If-Match"),
    (header::ORIGIN, "Origin"),
    (HeaderName::from_static("x-request-id"), "X-Request-Id"),
];

/// The middleware.
///
/// # Errors
/// Only what a middleware inside this one fails with.
pub async fn refuse_repeated<B: MessageBody + 'static>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<BoxBody>, actix_web::Error> {
    let headers = request.headers();
    let problems: Vec<_> = SINGLE
        .iter()
        .filter(|(name, _)| headers.get_all(name).nth(1).is_some())
        .map(|(_, name)| FieldProblem {
            path: (*name).to_owned(),
            problem: "must be sent once".to_owned(),
        })
        .collect();
    if problems.is_empty() {
        return Ok(next.call(request).await?.map_into_boxed_body());
    }
    Ok(request.error_response(ApiError::malformed(&problems)))
}
