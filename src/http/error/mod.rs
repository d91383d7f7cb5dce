//! Every error that a client can get, in one envelope.
//!
//! | piece | file |
//! |---|---|
//! | the codes: name, status, when, remedy | [`code`] |
//! | the rules that a request can break, and the reasons why a line is rejected, likewise | [`sentences`] |
//! | the reason of a rejected line as a sentence to its buyer | [`rejections`] |
//! | errors that HTTP itself answers | `messages` |
//! | refusals and faults of the layers below | `mapping` |
//! | details and their bound | `details` |
//! | the wait before another attempt | `retry_after` |
//! | one example per code | [`examples`] |
//! | `docs/errors.md` | [`markdown`] |

pub mod code;
mod details;
pub(crate) mod examples;
mod mapping;
pub mod markdown;
mod messages;
pub(crate) mod rejections;
mod retry_after;
pub(crate) mod sentences;

use std::{sync::Arc, time::Duration};

use actix_web::{
    HttpResponse, HttpResponseBuilder, ResponseError,
    http::{StatusCode, header},
};
use serde_json::{Value, json};

use self::{details::Details, retry_after::RetryAfter};

pub use code::Code;

/// The reason of a request without a token.
pub(crate) const NO_TOKEN: &str = "no_token";

/// An error on its way to a client.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{}: {message}", code.as_str())]
pub struct ApiError {
    /// The error's code, from the one table.
    pub code: Code,
    message: String,
    /// Shared: details are large, and an error is copied on its way.
    details: Option<Arc<Details>>,
    retry_after: Option<RetryAfter>,
    allow: Option<&'static str>,
    /// One word for the log and the metrics, with a 401 or 403.
    pub(crate) auth_reason: Option<&'static str>,
    /// The number of discount codes that were tried and do not exist.
    pub(crate) code_guesses: u32,
    cause: Option<Cause>,
}

/// The cause of an error: for the log, never for a client.
#[derive(Clone, Debug)]
pub(crate) struct Cause(pub Arc<str>);

impl ApiError {
    /// An error with a sentence that a person can act on.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            details: None,
            retry_after: None,
            allow: None,
            auth_reason: None,
            code_guesses: 0,
            cause: None,
        }
    }

    /// The caller is not known, for a reason in one word.
    pub(crate) fn unauthorized(reason: &'static str, message: impl Into<String>) -> Self {
        Self {
            auth_reason: Some(reason),
            ..Self::new(Code::Unauthorized, message)
        }
    }

    /// The cause, if it is known.
    pub(crate) fn cause(&self) -> Option<&Cause> {
        self.cause.as_ref()
    }

    /// The error with its cause, for the log.
    #[must_use]
    pub(crate) fn because(self, cause: &str) -> Self {
        Self {
            cause: Some(Cause(cause.into())),
            ..self
        }
    }

    #[must_use]
    fn details(mut self, details: Value) -> Self {
        self.details = Some(Arc::new(Details::Other(details)));
        self
    }

    #[must_use]
    fn retry_after(mut self, least: Duration, spread: Duration) -> Self {
        self.retry_after = Some(RetryAfter { least, spread });
        self
    }

    /// The envelope, with the request's id in it.
    pub(crate) fn body(&self, request_id: &str) -> Value {
        let mut error = json!({
            "code": self.code.as_str(),
            "message": self.message,
            "request_id": request_id,
        });
        if let Some(details) = &self.details {
            error["details"] = details.to_json();
        }
        json!({ "error": error })
    }

    /// The response, with the request's id in it.
    pub(crate) fn respond(&self, request_id: &str) -> HttpResponse {
        let mut response = HttpResponseBuilder::new(self.code.status());
        if let Some(wait) = self.retry_after {
            response.insert_header((header::RETRY_AFTER, wait.seconds(request_id)));
        }
        if let Some(allow) = self.allow {
            response.insert_header((header::ALLOW, allow));
        }
        if self.code == Code::Unauthorized {
            // RFC 6750, 3.1: the answer to a request without a token says no more than that.
            let challenge = if self.auth_reason == Some(NO_TOKEN) {
                "Bearer"
            } else {
                "Bearer error=\"invalid_token\""
            };
            response.insert_header((header::WWW_AUTHENTICATE, challenge));
        }
        response.json(self.body(request_id))
    }
}

impl ResponseError for ApiError {
    fn status_code(&self) -> StatusCode {
        self.code.status()
    }

    /// A stand-in: `http::trace` writes the response, because it knows the request's id.
    fn error_response(&self) -> HttpResponse {
        self.respond("")
    }
}
