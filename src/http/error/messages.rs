//! The errors that HTTP itself answers, each with its code and its message.

use std::{sync::Arc, time::Duration};

use crate::http::{body_limits::BODY_LEN_MAX, json::FieldProblem};

use super::{ApiError, Code, details::Details};

impl ApiError {
    /// A malformed request, with all its problems.
    pub fn malformed(problems: &[FieldProblem]) -> Self {
        let first = problems.first().map_or_else(String::new, |first| {
            let place = if first.path.is_empty() {
                "the body"
            } else {
                &first.path
            };
            format!(": {place} {}", first.problem)
        });
        let message = match problems.len() {
            1 => format!("The request is malformed{first}."),
            count => format!("The request is malformed in {count} places, see details{first}."),
        };
        let details = Details::Fields(problems.to_vec());
        Self {
            details: Some(Arc::new(details)),
            ..Self::new(Code::ValidationError, message)
        }
    }

    /// The route does not support the method.
    pub fn method_not_allowed(allow: &'static str) -> Self {
        let message = format!("This route does not support that method; it supports {allow}.");
        Self {
            allow: Some(allow),
            ..Self::new(Code::MethodNotAllowed, message)
        }
    }

    /// The head did not arrive in time.
    pub fn late_head() -> Self {
        Self::new(
            Code::RequestTimeout,
            "The request did not arrive in time; nothing was done. Send it again.",
        )
    }

    /// The head is too large, or has too many fields.
    pub fn head_too_large() -> Self {
        Self::new(
            Code::ValidationError,
            "The request's head is too large or has too many fields; nothing was done.",
        )
    }

    /// The request is broken as HTTP.
    pub fn broken_http() -> Self {
        Self::new(
            Code::ValidationError,
            "The request is not well-formed HTTP; nothing was done.",
        )
    }

    /// More requests are in progress on the connection than it may have.
    pub fn too_many_streams() -> Self {
        Self::new(
            Code::Overloaded,
            "Too many requests are in progress on this connection; nothing was done. Wait for some of them \
             to finish, or open another connection.",
        )
        .retry_after(Duration::from_secs(1), Duration::from_secs(2))
    }

    /// More bodies are in memory than there may be.
    pub fn too_many_bodies() -> Self {
        Self::new(
            Code::Overloaded,
            "Too many large requests are being received; nothing was done. Try again with the same \
             Idempotency-Key.",
        )
        .retry_after(Duration::from_secs(1), Duration::from_secs(3))
    }

    /// The body is too large.
    pub fn payload_too_large() -> Self {
        let message = format!("The body is larger than {BODY_LEN_MAX} bytes.");
        Self::new(Code::PayloadTooLarge, message)
    }

    /// The body's headers do not announce plain JSON in UTF-8.
    pub fn unsupported_media_type() -> Self {
        let message = "Send the body with \"Content-Type: application/json\", in UTF-8 and without \
                       a Content-Encoding.";
        Self::new(Code::UnsupportedMediaType, message)
    }

    /// One request too many from an address or a user.
    pub fn rate_limited(limit: &str, wait: Duration) -> Self {
        let message = format!(
            "There were too many requests from this {limit}; nothing was done. Wait as long as \
             Retry-After says, then send requests more slowly (see the RateLimit headers)."
        );
        Self::new(Code::RateLimited, message).retry_after(wait, Duration::from_secs(2))
    }

    /// Too many tokens with a wrong signature from an address.
    pub fn too_many_refused_tokens(wait: Duration) -> Self {
        let message = "There were too many tokens with a wrong signature from this address, so this one \
                       was not checked. Wait as long as Retry-After says.";
        Self::new(Code::RateLimited, message).retry_after(wait, Duration::from_secs(2))
    }

    /// Too many discount codes that do not exist from a user.
    pub fn too_many_code_guesses(wait: Duration) -> Self {
        let message = "You have tried too many discount codes that do not exist; nothing was done. Wait as \
                       long as Retry-After says, or leave the codes out.";
        Self::new(Code::RateLimited, message).retry_after(wait, Duration::from_secs(2))
    }

    /// The instance has as many live streams as it may have, or is about to stop.
    pub fn no_more_live_streams() -> Self {
        Self::new(
            Code::Overloaded,
            "This server takes no more streams at the moment. Open it again in a moment.",
        )
        .retry_after(Duration::from_secs(1), Duration::from_secs(3))
    }

    /// The user has as many live streams as one may have.
    pub fn too_many_live_streams() -> Self {
        let message = "You have too many open streams; close some of them, and wait as long as Retry-After \
                       says.";
        Self::new(Code::RateLimited, message)
            .retry_after(Duration::from_secs(5), Duration::from_secs(5))
    }

    /// As many tests of a webhook endpoint wait as may.
    pub fn too_many_tests(wait: Duration) -> Self {
        let message = "Too many tests of this endpoint wait already; GET its deliveries says what became of \
                       them. Nothing was done; wait as long as Retry-After says.";
        Self::new(Code::RateLimited, message).retry_after(wait, Duration::from_secs(2))
    }

    /// As many old secrets of a webhook endpoint sign as may.
    pub fn too_many_rotations(wait: Duration) -> Self {
        let message = "The secret was changed too often: every old one signs for 24 hours, and five of them \
                       do. Nothing was done; wait as long as Retry-After says, until the first has ended.";
        Self::new(Code::RateLimited, message).retry_after(wait, Duration::ZERO)
    }

    /// The same request is in progress.
    pub fn in_progress() -> Self {
        Self::new(
            Code::IdempotencyInProgress,
            "The first request with this Idempotency-Key is still in progress; try again with the same \
             key.",
        )
        .retry_after(Duration::from_secs(1), Duration::from_secs(1))
    }

    /// The key was used for another request.
    pub fn key_reused() -> Self {
        Self::new(
            Code::IdempotencyKeyReused,
            "This Idempotency-Key was used for a different request; use a new key.",
        )
    }

    /// The store has no such order.
    pub fn order_not_found() -> Self {
        let message = "Your store has no such order; GET /api/v1/orders lists those it has.";
        Self::new(Code::NotFound, message)
    }

    /// The store has no such checkout group.
    pub fn group_not_found() -> Self {
        Self::new(Code::NotFound, "Your store has no such checkout group.")
    }

    /// A fault of ours; only the log says more.
    pub fn internal() -> Self {
        Self::new(
            Code::Internal,
            "Something went wrong on our side. Try again with the same Idempotency-Key; if the error \
             persists, report the request id.",
        )
    }

    /// PostgreSQL can't be reached.
    pub fn unavailable() -> Self {
        Self::new(
            Code::DependencyUnavailable,
            "The database can't be reached at the moment. Try again with the same Idempotency-Key: nothing \
             is done twice.",
        )
        .retry_after(Duration::from_secs(1), Duration::from_secs(3))
    }

    /// Another transaction holds a lock that this request needs.
    pub fn busy() -> Self {
        Self::new(
            Code::Overloaded,
            "Another request holds what this one needs for longer than it may wait; nothing was done. Try \
             again with the same Idempotency-Key.",
        )
        .retry_after(Duration::from_secs(1), Duration::from_secs(1))
    }
}
