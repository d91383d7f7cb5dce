//! The answer to a request that is broken as HTTP: the envelope, with an id that is in the log, written
//! as it goes over the wire.

use actix_web::http::StatusCode;
use uuid::Uuid;

use crate::{
    http::error::ApiError,
    log_floods::{self, Kind},
    metrics::{Metrics, RequestLabel},
};

/// The answer to a request that never reached a route.
pub struct Refusal {
    reason: &'static str,
    status: StatusCode,
    error: ApiError,
}

impl Refusal {
    /// The head did not arrive in time.
    pub fn late_head() -> Self {
        let error = ApiError::late_head();
        Self {
            reason: "late_head",
            status: error.code.status(),
            error,
        }
    }

    /// In place of an answer of the framework.
    pub fn of_status(status: u16) -> Self {
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST);
        if status == StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE {
            return Self {
                reason: "head_too_large",
                status,
                error: ApiError::head_too_large(),
            };
        }
        Self {
            reason: "malformed",
            status,
            error: ApiError::broken_http(),
        }
    }

    /// The framework has dropped the connection because of the request's body.
    pub fn broken_body() -> Self {
        let error = ApiError::broken_http();
        Self {
            reason: "body",
            status: error.code.status(),
            error,
        }
    }

    /// Counts and logs a request that never reached a route, and writes its answer.
    pub fn tell(&self, metrics: &Metrics) -> String {
        let request_id = Uuid::now_v7().to_string();
        let Self { reason, error, .. } = self;
        let status = self.status.as_u16();
        metrics.count_broken(reason);
        let label = RequestLabel {
            method: "other",
            route: "unknown".to_owned(),
            status,
        };
        metrics.requests.get_or_create(&label).inc();
        if log_floods::admits(Kind {
            what: "broken requests were answered",
            status,
            code: reason,
        }) {
            tracing::info!(
                http.request_id = request_id,
                http.status = status,
                http.broken = reason,
                "a request that was broken as HTTP ({reason}) was answered {status}"
            );
        }
        whole_answer(self.status, error, &request_id)
    }
}

/// The whole answer, as it goes over the wire.
fn whole_answer(status: StatusCode, error: &ApiError, request_id: &str) -> String {
    let body = error.body(request_id).to_string();
    format!(
        "HTTP/1.1 {} {}\r\nconnection: close\r\ncontent-type: application/json\r\n\
         cache-control: no-store\r\nx-content-type-options: nosniff\r\nx-request-id: {request_id}\r\n\
         content-length: {}\r\n\r\n{body}",
        status.as_u16(),
        status.canonical_reason().unwrap_or_default(),
        body.len(),
    )
}
