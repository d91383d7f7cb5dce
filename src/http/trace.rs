//! Around every request: its id, its error envelope, its metrics, its spans and its one canonical log line.
//! Nothing is answered that has not passed here.

use std::{
    borrow::Cow,
    rc::Rc,
    time::{Duration, Instant},
};

use actix_cors::CorsError;
use actix_web::{
    HttpMessage,
    body::{BoxBody, MessageBody},
    dev::{ServiceRequest, ServiceResponse},
    http::{
        Method, StatusCode,
        header::{HeaderName, HeaderValue},
    },
    middleware::Next,
    web,
};
use uuid::Uuid;

use crate::{
    config::LogFormat,
    log_floods::{self, Kind},
    metrics::{ReasonLabel, RequestLabel},
    request_id::{self, RequestId},
    stages::trip::Trip,
    traces::RequestTrace,
};

use super::{
    answer_body::{AnswerBody, RequestBody},
    auth::Identity,
    connection::requests::{Begun, Requests, UnderWay},
    error::{ApiError, Cause, Code},
    paths::CHECKOUT,
    request_line::RequestLine,
    request_trace::{self, Ended},
    security,
    state::State,
};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const REQUEST_ID_LEN_MAX: usize = 128;
/// The most header fields. HTTP/1.1 has this limit in the framework, HTTP/2 has none.
const HEADERS_MAX: usize = 100;

/// The reason of a 401 or 403.
#[derive(Clone, Copy, Debug)]
struct AuthReason(&'static str);

/// The middleware.
///
/// # Errors
/// Only what a middleware inside this one fails with: there is none.
pub async fn trace<B: MessageBody + 'static>(
    mut request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<AnswerBody>, actix_web::Error> {
    let started = Instant::now();
    let request_id = request_id(&request);
    request_trace::begin(&request);
    let (mut unanswered, refusal) = Unanswered::begin(&mut request);
    let response = match refusal {
        Some(refusal) => request.error_response(refusal),
        // Handlers' errors arrive as responses; nothing inside us fails in any other way.
        None => request_id::scope(Some(request_id.clone()), next.call(request))
            .await?
            .map_into_boxed_body(),
    };
    let response = unanswered.or_out_of_memory(response);
    let mut response = with_envelope(response, &request_id);
    let value = HeaderValue::from_str(&request_id).expect("an id has header characters only");
    response.headers_mut().insert(REQUEST_ID, value);
    security::complete(&mut response);
    report(&response, &request_id, started);
    Ok(response.map_body(|_, body| unanswered.answer_with(body)))
}

/// A request until it is answered or abandoned.
struct Unanswered {
    under_way: Option<UnderWay>,
    body: Option<RequestBody>,
}

impl Unanswered {
    /// Begins the request, or refuses it.
    fn begin(request: &mut ServiceRequest) -> (Self, Option<ApiError>) {
        let begun = request.conn_data::<Rc<Requests>>().map(Requests::begin);
        let (under_way, mut refusal) = match begun {
            Some(Begun::Taken(under_way)) => (Some(under_way), None),
            Some(Begun::Refused(under_way)) => {
                (Some(under_way), Some(ApiError::too_many_streams()))
            }
            None => (None, None),
        };
        if refusal.is_none() && request.headers().len() > HEADERS_MAX {
            refusal = Some(ApiError::head_too_large());
        }
        let payload = request.take_payload();
        let body = request
            .app_data::<web::Data<State>>()
            .and_then(|state| RequestBody::share(payload, &state.bodies));
        if let Some(body) = &body {
            request.set_payload(body.reader());
        }
        (Self { under_way, body }, refusal)
    }

    /// The response, or 503 if there was no memory for the request's body.
    fn or_out_of_memory(&self, response: ServiceResponse) -> ServiceResponse {
        match &self.body {
            Some(body) if body.exceeds_budget() => {
                let (request, _) = response.into_parts();
                ServiceResponse::from_err(ApiError::too_many_bodies(), request)
            }
            _ => response,
        }
    }

    fn answer_with(&mut self, body: BoxBody) -> AnswerBody {
        AnswerBody::new(body, self.under_way.take(), self.body.take())
    }
}

impl Drop for Unanswered {
    fn drop(&mut self) {
        if let (Some(under_way), Some(body)) = (&self.under_way, &self.body)
            && body.is_broken()
        {
            under_way.requests().body_was_broken();
        }
    }
}

/// The client's own id if it is well-formed, else a new one.
fn request_id(request: &ServiceRequest) -> RequestId {
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
        .map_or_else(|| Uuid::now_v7().to_string().into(), RequestId::from)
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
    if let Some(cause) = error.cause() {
        request.extensions_mut().insert(cause.clone());
    }
    let mut enveloped = error.respond(request_id);
    // Headers of the middlewares between here and the handler hold for the envelope, too.
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

/// True if a request is logged in a line of its own: refusals must not fill the log. A fault of ours
/// always is.
fn has_its_line(status: u16, code: Option<&Code>, caller: Option<&Identity>) -> bool {
    let is_refusal = match status {
        429 | 503 => true,
        400..500 => caller.is_none(),
        _ => false,
    };
    let code = code.map_or("", |code| code.as_str());
    !is_refusal || log_floods::admits(Kind::answered(status, code))
}

/// Counts the request, sends its spans and writes its line.
fn report(response: &ServiceResponse, request_id: &str, started: Instant) {
    let request = response.request();
    let route = request
        .match_pattern()
        .map_or(Cow::Borrowed("unknown"), Cow::Owned);
    let status = response.status().as_u16();
    let took = started.elapsed();
    let method = known_method(request.method());
    let way = request.extensions().get::<Trip>().map(Trip::so_far);
    let state = request.app_data::<web::Data<State>>();
    let is_checkout = route == CHECKOUT && *request.method() == Method::POST;
    let decided = way
        .as_ref()
        .filter(|way| is_checkout && way.last_attempt().is_some());
    let decided = decided.map(|way| (way, way.times(took)));
    if let Some(state) = state {
        count(state, (method, &route, status), took);
        if is_checkout {
            let stages = &state.metrics.checkout_stages;
            stages.observe_answer(status, took);
            if let Some((_, times)) = &decided {
                stages.observe(times);
            }
        }
    }
    let is_replayed = response.headers().contains_key(super::idempotent::REPLAYED);
    let outcome = way.as_ref().and_then(|way| way.outcome);
    let outcome = outcome.or_else(|| (is_checkout && is_replayed).then_some("replayed"));
    let is_trace_kept = request_trace::end(
        response,
        &Ended {
            request_id,
            method,
            route: &route,
            began_at: started,
            took,
            is_replayed,
            outcome,
            way: way.as_ref(),
        },
    );
    let extensions = request.extensions();
    let auth_reason = extensions.get::<AuthReason>().map(|reason| reason.0);
    if let (Some(reason), Some(state)) = (auth_reason, state) {
        let refused = &state.metrics.auth_refused;
        refused.get_or_create(&ReasonLabel { reason }).inc();
    }
    let caller = extensions.get::<Identity>();
    let code = extensions.get::<Code>();
    if !has_its_line(status, code, caller) {
        return;
    }
    let trace = extensions.get::<RequestTrace>();
    let line = RequestLine {
        request_id,
        method: request.method().as_str(),
        route: &route,
        status,
        took,
        is_replayed,
        code,
        auth_reason,
        cause: extensions.get::<Cause>(),
        caller,
        address: state.and_then(|state| state.logged_address(request)),
        trace_id: trace.and_then(RequestTrace::trace_id),
        is_trace_kept,
        outcome,
        way: decided,
    };
    line.write(state.map_or(LogFormat::Json, |state| state.log_format));
}

fn count(state: &State, (method, route, status): (&'static str, &str, u16), took: Duration) {
    let label = RequestLabel {
        method,
        route: route.to_owned(),
        status,
    };
    state.metrics.requests.get_or_create(&label).inc();
    state.metrics.request_duration.observe(took.as_secs_f64());
}

/// A client can make up methods; a metric's label must not follow it.
fn known_method(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::PUT => "PUT",
        Method::POST => "POST",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        _ => "other",
    }
}
