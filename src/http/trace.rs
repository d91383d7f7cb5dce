//! Around every request: its id, its error envelope, its metrics and its one canonical log line.
//! Nothing is answered that has not passed here.

use std::{borrow::Cow, time::Instant};

use actix_cors::CorsError;
use actix_web::{
    HttpMessage,
    body::MessageBody,
    dev::{ServiceRequest, ServiceResponse},
    http::{
        Method, StatusCode,
        header::{HeaderName, HeaderValue},
    },
    middleware::Next,
    web,
};
use uuid::Uuid;

use crate::metrics::{ReasonLabel, RequestLabel};

use super::{
    auth::Identity,
    error::{ApiError, Code},
    security,
    worker::Worker,
};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const REQUEST_ID_LEN_MAX: usize = 128;

/// Why a request was answered with 401 or 403.
#[derive(Clone, Copy, Debug)]
struct AuthReason(&'static str);

/// The middleware.
///
/// # Errors
/// Only what a middleware inside this one fails with: there is none.
pub async fn trace<B: MessageBody + 'static>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<impl MessageBody>, actix_web::Error> {
    let started = Instant::now();
    let request_id = request_id(&request);
    // Handlers' errors arrive as responses; nothing inside us fails in any other way.
    let response = next.call(request).await?.map_into_boxed_body();
    let mut response = with_envelope(response, &request_id);
    let value = HeaderValue::from_str(&request_id).expect("an id has header characters only");
    response.headers_mut().insert(REQUEST_ID, value);
    security::complete(&mut response);
    report(&response, &request_id, started);
    Ok(response)
}

/// The client's own id if it is a decent one, else a new one.
fn request_id(request: &ServiceRequest) -> String {
    let decent = |id: &&str| {
        (1..=REQUEST_ID_LEN_MAX).contains(&id.len())
            && id
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
    };
    let mut sent = request.headers().get_all(REQUEST_ID);
    let only = sent.next().filter(|_| sent.next().is_none());
    let sent = only.and_then(|id| id.to_str().ok());
    sent.filter(decent)
        .map_or_else(|| Uuid::now_v7().to_string(), str::to_owned)
}

/// Turns every error, ours and the framework's, into the envelope with the request's id.
fn with_envelope(response: ServiceResponse, request_id: &str) -> ServiceResponse {
    let error = match response.response().error() {
        Some(error) => match error.as_error::<ApiError>() {
            Some(error) => error.clone(),
            None => framework_error(response.status(), error),
        },
        None => return response,
    };
    let (request, plain) = response.into_parts();
    request.extensions_mut().insert(error.code);
    if let Some(reason) = error.auth_reason {
        request.extensions_mut().insert(AuthReason(reason));
    }
    let mut enveloped = error.respond(request_id);
    // What those between us and the handler have to say is true of the envelope, too.
    for (name, value) in plain.headers() {
        if !enveloped.headers().contains_key(name) {
            enveloped.headers_mut().insert(name.clone(), value.clone());
        }
    }
    ServiceResponse::new(request, enveloped)
}

fn framework_error(status: StatusCode, error: &actix_web::Error) -> ApiError {
    if let Some(refused) = error.as_error::<CorsError>() {
        return ApiError::new(Code::ValidationError, format!("{refused}."));
    }
    match status {
        StatusCode::PAYLOAD_TOO_LARGE => {
            ApiError::new(Code::PayloadTooLarge, "The request is too large.")
        }
        status if status.is_client_error() => {
            ApiError::new(Code::ValidationError, "The request can't be understood.")
        }
        _ => ApiError::internal(),
    }
}

fn report(response: &ServiceResponse, request_id: &str, started: Instant) {
    let request = response.request();
    let route = request
        .match_pattern()
        .map_or(Cow::Borrowed("unknown"), Cow::Owned);
    let status = response.status().as_u16();
    let took = started.elapsed();
    if let Some(worker) = request.app_data::<web::Data<Worker>>() {
        let method = known_method(request.method());
        let label = RequestLabel {
            method,
            route: route.to_string(),
            status,
        };
        worker.metrics.requests.get_or_create(&label).inc();
        worker.metrics.request_duration.observe(took.as_secs_f64());
    }
    let extensions = request.extensions();
    let auth_reason = extensions.get::<AuthReason>().map(|reason| reason.0);
    if let (Some(reason), Some(worker)) = (auth_reason, request.app_data::<web::Data<Worker>>()) {
        let refused = &worker.metrics.auth_refused;
        refused.get_or_create(&ReasonLabel { reason }).inc();
    }
    let caller = extensions.get::<Identity>();
    let code = extensions.get::<Code>().map(|code| code.as_str());
    tracing::info!(
        http.request_id = request_id,
        http.method = %request.method(),
        http.route = %route,
        http.status = status,
        http.duration_ms = took.as_micros() as f64 / 1000.0,
        http.replayed = response.headers().contains_key(super::idempotent::REPLAYED),
        error.code = code,
        auth.reason = auth_reason,
        user.id = caller.map(|caller| display(caller.user_id)),
        store.id = caller.map(|caller| display(caller.store_id)),
        "{} {route} answered {status}",
        request.method(),
    );
}

/// A client can make up methods; a metric's label must not follow it.
fn known_method(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::PUT => "PUT",
        Method::POST => "POST",
        _ => "other",
    }
}
