//! Every error a client can get, in one envelope.
//!
//! | piece | file |
//! |---|---|
//! | every code: its name, its status, when, what to do | [`code`] |
//! | every rule that a request can break, likewise | [`sentences`] |
//! | one example per code | [`examples`] |
//! | `docs/errors.md` | [`markdown`] |

pub mod code;
pub mod examples;
pub mod markdown;
pub mod sentences;

use std::{
    hash::{DefaultHasher, Hasher},
    sync::Arc,
    time::Duration,
};

use actix_web::{
    HttpResponse, HttpResponseBuilder, ResponseError,
    http::{StatusCode, header},
};
use serde::Serialize;
use serde_json::{Value, json};

use crate::{
    actors::command::Refusal,
    batching::Undecided,
    carts,
    db::{self, Fault},
    domain::{
        caller::Forbidden,
        objection::Objection,
        store::BuyerIneligible,
        violation::{Violation, ViolationCode},
    },
};

use super::{body::BODY_LEN_MAX, json::FieldProblem};

pub use code::Code;

/// An error on its way to a client.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{}: {message}", code.as_str())]
pub struct ApiError {
    /// What went wrong.
    pub code: Code,
    message: String,
    /// Shared: a value is large, and an error is copied on its way.
    details: Option<Arc<Details>>,
    retry_after: Option<RetryAfter>,
    allow: Option<&'static str>,
    /// Of a 401 or 403, a word for the log and the metrics.
    pub auth_reason: Option<&'static str>,
    /// How many discount codes were tried that are none.
    pub code_guesses: u32,
    cause: Option<Cause>,
}

/// What is behind an error: for the log, never for a client.
#[derive(Clone, Debug)]
pub struct Cause(pub Arc<str>);

/// What a code tells more. Made into JSON where it is answered: until then the gate may say something
/// else.
#[derive(Debug)]
enum Details {
    Fields(Vec<FieldProblem>),
    Other(Value),
}

/// The reason of a request that has no token.
pub const NO_TOKEN: &str = "no_token";

/// How long a list of details may be, in bytes: no error is much longer than what caused it, and none
/// is longer than 64 KB. What is left out is counted.
const LIST_LEN_MAX: usize = 56 * 1024;

/// When it is worth trying again.
#[derive(Clone, Copy, Debug)]
struct RetryAfter {
    least: Duration,
    /// By how much more at most, so that those who are refused together do not come back together.
    spread: Duration,
}

impl RetryAfter {
    /// In whole seconds (RFC 9110, 10.2.3), never "at once". Requests differ by their ids, which are
    /// random: so do their waits, and the same request is always told the same.
    fn seconds(self, request_id: &str) -> u64 {
        let mut hasher = DefaultHasher::new();
        hasher.write(request_id.as_bytes());
        let place = hasher.finish() as f64 / u64::MAX as f64;
        let wait = self.least + self.spread.mul_f64(place);
        let whole = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
        whole.max(1)
    }
}

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

    /// Nobody is known to be calling, for a reason of a word.
    pub fn unauthorized(reason: &'static str, message: impl Into<String>) -> Self {
        Self {
            auth_reason: Some(reason),
            ..Self::new(Code::Unauthorized, message)
        }
    }

    /// What is behind it.
    pub fn cause(&self) -> Option<&Cause> {
        self.cause.as_ref()
    }

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

    /// The method is not one of the route's.
    pub fn method_not_allowed(allow: &'static str) -> Self {
        let message = format!("This route does not take that method; it takes {allow}.");
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
            "The request's head is too large, or has too many fields; nothing was done.",
        )
    }

    /// The request is broken as HTTP.
    pub fn broken_http() -> Self {
        Self::new(
            Code::ValidationError,
            "The request is no well-formed HTTP; nothing was done.",
        )
    }

    /// More requests are under way on the connection than it may have.
    pub fn too_many_streams() -> Self {
        Self::new(
            Code::Overloaded,
            "Too many requests are under way on this connection; nothing was done. Wait for some of them, \
             or open another connection.",
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

    /// The body is no plain JSON in UTF-8, by its own account.
    pub fn unsupported_media_type() -> Self {
        let message = "Send the body with \"Content-Type: application/json\", in UTF-8 and without \
                       any Content-Encoding.";
        Self::new(Code::UnsupportedMediaType, message)
    }

    /// One request too many of an address or of a user.
    pub fn rate_limited(limit: &str, wait: Duration) -> Self {
        let message = format!(
            "There were too many requests from this {limit}; nothing was done. Wait as long as \
             Retry-After says, then send them more slowly (see the RateLimit headers)."
        );
        Self::new(Code::RateLimited, message).retry_after(wait, Duration::from_secs(2))
    }

    /// Tokens with a wrong signature, too many of an address.
    pub fn too_many_refused_tokens(wait: Duration) -> Self {
        let message = "There were too many tokens with a wrong signature from this address, so this one \
                       was not looked at. Wait as long as Retry-After says.";
        Self::new(Code::RateLimited, message).retry_after(wait, Duration::from_secs(2))
    }

    /// Discount codes that are none, too many of a user.
    pub fn too_many_code_guesses(wait: Duration) -> Self {
        let message = "You have tried too many discount codes that are none; nothing was done. Wait as \
                       long as Retry-After says, or leave the codes out.";
        Self::new(Code::RateLimited, message).retry_after(wait, Duration::from_secs(2))
    }

    /// The same request is being worked on.
    pub fn in_progress() -> Self {
        Self::new(
            Code::IdempotencyInProgress,
            "The first request with this Idempotency-Key is still running; try again with the same \
             key.",
        )
        .retry_after(Duration::from_secs(1), Duration::from_secs(1))
    }

    /// The key belongs to another request.
    pub fn key_reused() -> Self {
        Self::new(
            Code::IdempotencyKeyReused,
            "This Idempotency-Key was used for a different request; use a new key.",
        )
    }

    /// A fault of ours; what it was stands in the log only.
    pub fn internal() -> Self {
        Self::new(
            Code::Internal,
            "Something went wrong on our side. Try again with the same Idempotency-Key; if it \
             stays, report the request id.",
        )
    }

    /// PostgreSQL can't be reached.
    pub fn unavailable() -> Self {
        Self::new(
            Code::DependencyUnavailable,
            "The database can't be reached at present. Try again with the same Idempotency-Key: what \
             was done is not done twice.",
        )
        .retry_after(Duration::from_secs(1), Duration::from_secs(3))
    }

    /// The error with what is behind it, for the log.
    #[must_use]
    pub fn because(self, cause: &str) -> Self {
        Self {
            cause: Some(Cause(cause.into())),
            ..self
        }
    }

    /// Somebody else holds what this needs.
    pub fn busy() -> Self {
        Self::new(
            Code::Overloaded,
            "Another request holds what this one needs, for longer than it may wait; nothing was done. Try \
             again with the same Idempotency-Key.",
        )
        .retry_after(Duration::from_secs(1), Duration::from_secs(1))
    }

    fn invalid(code: Code, what: &str, violations: &[Violation]) -> Self {
        let rules = if violations.len() == 1 {
            "1 rule"
        } else {
            "several rules"
        };
        let message = format!("{what} breaks {rules}; details.violations names each one.");
        let guesses = violations
            .iter()
            .filter(|it| it.code == ViolationCode::DiscountNotFound);
        Self {
            code_guesses: u32::try_from(guesses.count()).unwrap_or(u32::MAX),
            ..Self::new(code, message).details(list("violations", violations))
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
    pub fn body(&self, request_id: &str) -> Value {
        let mut error = json!({
            "code": self.code.as_str(),
            "message": self.message,
            "request_id": request_id,
        });
        if let Some(details) = &self.details {
            error["details"] = match &**details {
                Details::Fields(problems) => json!({ "fields": problems }),
                Details::Other(value) => value.clone(),
            };
        }
        json!({ "error": error })
    }

    /// The response, with the request's id in it.
    pub fn respond(&self, request_id: &str) -> HttpResponse {
        let mut response = HttpResponseBuilder::new(self.code.status());
        if let Some(wait) = self.retry_after {
            response.insert_header((header::RETRY_AFTER, wait.seconds(request_id)));
        }
        if let Some(allow) = self.allow {
            response.insert_header((header::ALLOW, allow));
        }
        if self.code == Code::Unauthorized {
            // RFC 6750, 3.1: who has sent nothing is told nothing more.
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

    /// Only a stand-in: `http::trace` writes the response, because it knows the request's id.
    fn error_response(&self) -> HttpResponse {
        self.respond("")
    }
}

impl From<Forbidden> for ApiError {
    fn from(reason: Forbidden) -> Self {
        let word = match reason {
            Forbidden::NoActiveStore => "no_active_store",
            Forbidden::NotAMember => "not_a_member",
            Forbidden::RoleNotAllowed => "role",
            Forbidden::StoreMayNotBuy(BuyerIneligible::NotABuyer) => "not_a_buyer",
            Forbidden::StoreMayNotBuy(BuyerIneligible::LicenseInvalid) => "license",
            Forbidden::NotAVendor => "not_a_vendor",
        };
        let reason = reason.to_string();
        let mut letters = reason.chars();
        let first = letters.next().map(|first| first.to_ascii_uppercase());
        let sentence: String = first.into_iter().chain(letters).chain(['.']).collect();
        Self {
            auth_reason: Some(word),
            ..Self::new(Code::Forbidden, sentence)
        }
    }
}

/// A list of details, as much of it as an answer may have. `more` says how many are left out.
fn list<T: Serialize>(name: &str, all: &[T]) -> Value {
    let mut length = 0;
    let told: Vec<_> = all
        .iter()
        .map(|one| json!(one))
        .take_while(|one| {
            length += one.to_string().len() + 1;
            length <= LIST_LEN_MAX
        })
        .collect();
    let more = all.len() - told.len();
    let mut details = json!({ name: told });
    if more > 0 {
        details["more"] = json!(more);
    }
    details
}

impl From<db::Error> for ApiError {
    fn from(error: db::Error) -> Self {
        let answer = match error.fault() {
            Fault::Permanent => Self::internal(),
            Fault::Busy => Self::busy(),
            Fault::Transient | Fault::Unreachable => Self::unavailable(),
        };
        // It stands in the request's own line.
        answer.because(&error.to_string())
    }
}

impl From<carts::Refusal> for ApiError {
    fn from(refusal: carts::Refusal) -> Self {
        match refusal {
            carts::Refusal::Forbidden(reason) | carts::Refusal::MayNotBuy(reason) => reason.into(),
            carts::Refusal::KeyReused => Self::key_reused(),
            carts::Refusal::Invalid(violations) => {
                Self::invalid(Code::CartInvalid, "The cart", &violations)
            }
            carts::Refusal::PreconditionFailed { current } => {
                let what = current.map_or_else(
                    || "your store has no active cart".to_owned(),
                    |tag| format!("it is \"{tag}\""),
                );
                Self::new(
                    Code::PreconditionFailed,
                    format!(
                        "The active cart is not what If-Match or If-None-Match expects: {what}. \
                         Nothing was changed; look at it with GET /api/v1/cart and decide anew."
                    ),
                )
            }
        }
    }
}

impl From<Refusal> for ApiError {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::KeyReused => Self::key_reused(),
            Refusal::CartNotFound => Self::new(
                Code::NotFound,
                "Your store has no such cart; PUT /api/v1/cart answers with the active cart's id.",
            ),
            Refusal::CartAlreadyConverted(group_id) => Self::new(
                Code::CartAlreadyConverted,
                "This cart was already bought, under another Idempotency-Key.",
            )
            .details(json!({ "checkout_group_id": group_id })),
            Refusal::Forbidden(reason) => reason.into(),
            Refusal::Objection(objection) => objection.into(),
        }
    }
}

impl From<Objection> for ApiError {
    fn from(objection: Objection) -> Self {
        match objection {
            Objection::CartExpired { valid_until } => Self::new(
                Code::CartExpired,
                "The cart's prices are held no longer; PUT /api/v1/cart again to see what it costs \
                 now.",
            )
            .details(json!({ "valid_until": valid_until })),
            Objection::CartChanged(changes) => Self::new(
                Code::CartChanged,
                "The cart is not what you expect; details.changes says what it is. Look at it with \
                 GET /api/v1/cart and decide anew.",
            )
            .details(json!({ "changes": changes })),
            Objection::Invalid(violations) => {
                Self::invalid(Code::CheckoutInvalid, "The checkout", &violations)
            }
            Objection::StockChanged(lines) => Self::new(
                Code::StockChanged,
                "Not everything can be had any more, and you asked for all or nothing; details.lines \
                 says what is missing. Nothing was bought.",
            )
            .details(list("lines", &lines)),
        }
    }
}

impl From<Undecided> for ApiError {
    fn from(undecided: Undecided) -> Self {
        match undecided {
            Undecided::Overloaded { retry_after } => Self::new(
                Code::Overloaded,
                "Too many requests are waiting; nothing was done. Try again with the same \
                 Idempotency-Key.",
            )
            // Whoever refuses knows by how much to spread.
            .retry_after(retry_after, Duration::ZERO),
            Undecided::Unavailable => Self::unavailable(),
            Undecided::Failed => Self::internal(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE_TO_FOUR: RetryAfter = RetryAfter {
        least: Duration::from_secs(1),
        spread: Duration::from_secs(3),
    };

    #[test]
    fn a_refused_crowd_is_told_to_come_back_at_different_times() {
        let mut told = [0; 6];
        for request in 0..3000 {
            let id = format!("01a20b80-81e5-7281-86b1-{request:012x}");
            told[usize::try_from(ONE_TO_FOUR.seconds(&id)).unwrap()] += 1;
        }
        let [_, one, two, three, four, _] = told;
        assert_eq!(one + two + three + four, 3000, "{told:?}");
        for share in [two, three, four] {
            assert!((900..1100).contains(&share), "{told:?}");
        }
    }

    #[test]
    fn a_request_is_always_told_the_same() {
        assert_eq!(ONE_TO_FOUR.seconds("a"), ONE_TO_FOUR.seconds("a"));
    }

    #[test]
    fn nobody_is_told_to_come_back_at_once() {
        let none = RetryAfter {
            least: Duration::ZERO,
            spread: Duration::ZERO,
        };
        assert_eq!(none.seconds("a"), 1);
    }
}
