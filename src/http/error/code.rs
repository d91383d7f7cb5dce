//! The one table of error codes. Its users: the envelope, the OpenAPI document, `docs/errors.md`.

use actix_web::http::StatusCode;

/// The codes of the contract, in the order of the documentation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code {
    ValidationError,
    Unauthorized,
    Forbidden,
    NotFound,
    MethodNotAllowed,
    RequestTimeout,
    PayloadTooLarge,
    UnsupportedMediaType,
    CartAlreadyConverted,
    PreconditionFailed,
    IdempotencyKeyReused,
    IdempotencyInProgress,
    CartChanged,
    CartExpired,
    StockChanged,
    OrderStateConflict,
    CartInvalid,
    CheckoutInvalid,
    RateLimited,
    Internal,
    Overloaded,
    DependencyUnavailable,
}

/// A code's line in the contract.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// As clients and logs see it.
    pub name: &'static str,
    /// The HTTP status that goes with it.
    pub status: StatusCode,
    /// The situation in which the code is answered.
    pub when: &'static str,
    /// The client's next step.
    pub remedy: &'static str,
}

impl Code {
    /// All codes.
    pub const ALL: [Self; 22] = [
        Self::ValidationError,
        Self::Unauthorized,
        Self::Forbidden,
        Self::NotFound,
        Self::MethodNotAllowed,
        Self::RequestTimeout,
        Self::PayloadTooLarge,
        Self::UnsupportedMediaType,
        Self::CartAlreadyConverted,
        Self::PreconditionFailed,
        Self::IdempotencyKeyReused,
        Self::IdempotencyInProgress,
        Self::CartChanged,
        Self::CartExpired,
        Self::StockChanged,
        Self::OrderStateConflict,
        Self::CartInvalid,
        Self::CheckoutInvalid,
        Self::RateLimited,
        Self::Internal,
        Self::Overloaded,
        Self::DependencyUnavailable,
    ];

    /// As clients and logs see it.
    pub const fn as_str(self) -> &'static str {
        self.entry().name
    }

    /// The HTTP status that goes with it.
    pub const fn status(self) -> StatusCode {
        self.entry().status
    }

    /// The code's line of the table.
    #[expect(clippy::too_many_lines, reason = "a table, one entry after the other")]
    pub const fn entry(self) -> Entry {
        match self {
            Self::ValidationError => Entry {
                name: "VALIDATION_ERROR",
                status: StatusCode::BAD_REQUEST,
                when: "The body, a header, the path or the query is malformed: wrong types, \
                       missing or unknown fields, invalid JSON, no valid Idempotency-Key.",
                remedy: "Repair every place that `details.fields` names; it lists all of them at \
                         once. Nothing was done, and the key is still free.",
            },
            Self::Unauthorized => Entry {
                name: "UNAUTHORIZED",
                status: StatusCode::UNAUTHORIZED,
                when: "There is no bearer token, or it is not signed by a key of ours, has \
                       expired, or comes from another issuer.",
                remedy: "Get a new token and send `Authorization: Bearer <JWT>`.",
            },
            Self::Forbidden => Entry {
                name: "FORBIDDEN",
                status: StatusCode::FORBIDDEN,
                when: "The token is good, but names no active store, or its user is not an active \
                       member of that store, or has a role that may only read, or the store may \
                       not buy (it is no buyer, not verified, or without a valid licence), or is \
                       not on the side of the market that may do this.",
                remedy: "Do not repeat the request as it is: `message` gives the reason. Choose a store, \
                         ask its owner for a role, or renew its licence.",
            },
            Self::NotFound => Entry {
                name: "NOT_FOUND",
                status: StatusCode::NOT_FOUND,
                when: "There is no such route, or your store has no such resource. A resource of \
                       another store is not found either.",
                remedy: "Check the path, the id and the token's active store.",
            },
            Self::MethodNotAllowed => Entry {
                name: "METHOD_NOT_ALLOWED",
                status: StatusCode::METHOD_NOT_ALLOWED,
                when: "The route exists, but does not support this method.",
                remedy: "Use a method that the `Allow` header names.",
            },
            Self::RequestTimeout => Entry {
                name: "REQUEST_TIMEOUT",
                status: StatusCode::REQUEST_TIMEOUT,
                when: "The head of the request did not arrive in time. Nothing was done, and the \
                       connection is closed.",
                remedy: "Send the request again, over another connection.",
            },
            Self::PayloadTooLarge => Entry {
                name: "PAYLOAD_TOO_LARGE",
                status: StatusCode::PAYLOAD_TOO_LARGE,
                when: "The body is larger than 262144 bytes (256 KiB).",
                remedy: "Send less; a cart of 200 lines needs a fifth of that.",
            },
            Self::UnsupportedMediaType => Entry {
                name: "UNSUPPORTED_MEDIA_TYPE",
                status: StatusCode::UNSUPPORTED_MEDIA_TYPE,
                when: "The body is not announced as plain JSON: another `Content-Type`, a charset other than UTF-8, \
                       or a `Content-Encoding`.",
                remedy: "Send `Content-Type: application/json`, in UTF-8 and without a `Content-Encoding`.",
            },
            Self::CartAlreadyConverted => Entry {
                name: "CART_ALREADY_CONVERTED",
                status: StatusCode::CONFLICT,
                when: "The cart was bought before, under another Idempotency-Key.",
                remedy: "Read what was bought under `details.checkout_group_id`. To buy more, PUT \
                         a new cart.",
            },
            Self::PreconditionFailed => Entry {
                name: "PRECONDITION_FAILED",
                status: StatusCode::PRECONDITION_FAILED,
                when: "The active cart is not one that `If-Match` names, or is one that \
                       `If-None-Match` names: another request has changed, bought or started it.",
                remedy: "Read the cart with `GET /api/v1/cart`, decide again, and send its `ETag`. \
                         Nothing was changed, and the key is still free.",
            },
            Self::IdempotencyKeyReused => Entry {
                name: "IDEMPOTENCY_KEY_REUSED",
                status: StatusCode::CONFLICT,
                when: "This Idempotency-Key was used for another request of this user, store \
                       and route, with a different body.",
                remedy: "Use a fresh key for a new request, and the same body with the same key \
                         for a retry.",
            },
            Self::IdempotencyInProgress => Entry {
                name: "IDEMPOTENCY_IN_PROGRESS",
                status: StatusCode::CONFLICT,
                when: "The first request with this Idempotency-Key is still in progress.",
                remedy: "Send the same request under the same key again after `Retry-After` \
                         seconds.",
            },
            Self::CartChanged => Entry {
                name: "CART_CHANGED",
                status: StatusCode::CONFLICT,
                when: "The cart is not the one that the buyer was shown: `expected_total` or \
                       `expected_version` differs from the cart's. Nothing was bought.",
                remedy: "Show the buyer the cart as it is (`GET /api/v1/cart`) and, if they agree, \
                         check out with its figures; `details.changes` has both sides.",
            },
            Self::CartExpired => Entry {
                name: "CART_EXPIRED",
                status: StatusCode::CONFLICT,
                when: "The prices of the cart were held until `details.valid_until`, which has \
                       passed. Nothing was bought.",
                remedy: "PUT the cart again: it is priced as of now.",
            },
            Self::StockChanged => Entry {
                name: "STOCK_CHANGED",
                status: StatusCode::CONFLICT,
                when: "The `shortage_policy` asks for all or nothing, and a line is not available as \
                       requested. Nothing was bought.",
                remedy: "PUT a cart without the lines of `details.lines`, or with what is \
                         available of them, or check out under another policy.",
            },
            Self::OrderStateConflict => Entry {
                name: "ORDER_STATE_CONFLICT",
                status: StatusCode::CONFLICT,
                when: "The order, or a line of it, is in a status from which this is not possible: it was \
                       decided, fulfilled, canceled or has expired meanwhile. Nothing was changed.",
                remedy: "Read the order with `GET /api/v1/orders/{id}`; `details.allowed` has the statuses \
                         from which the request is possible.",
            },
            Self::CartInvalid => Entry {
                name: "CART_INVALID",
                status: StatusCode::UNPROCESSABLE_ENTITY,
                when: "The cart is well formed, but breaks rules of the marketplace, or its \
                       figures differ from the server's. The previous cart stays as it is.",
                remedy: "Repair every place that `details.violations` names; where figures \
                         differ, `expected` is the right one.",
            },
            Self::CheckoutInvalid => Entry {
                name: "CHECKOUT_INVALID",
                status: StatusCode::UNPROCESSABLE_ENTITY,
                when: "The checkout can't be attempted at all: the cart is empty, no vendor of it \
                       may sell any more, or the way of paying is not offered. Nothing was \
                       bought.",
                remedy: "Repair what `details.violations` names, in the request or by another \
                         cart.",
            },
            Self::RateLimited => Entry {
                name: "RATE_LIMITED",
                status: StatusCode::TOO_MANY_REQUESTS,
                when: "Too many requests came in too short a time. Nothing was done.",
                remedy: "Wait `Retry-After` seconds, then send the same request under the same \
                         key. `RateLimit` and `RateLimit-Policy` say how much is left.",
            },
            Self::Internal => Entry {
                name: "INTERNAL",
                status: StatusCode::INTERNAL_SERVER_ERROR,
                when: "Something went wrong on our side. The details are in our log, under the \
                       request's id.",
                remedy: "Try again with the same Idempotency-Key: nothing is done \
                         twice. If the error persists, report `request_id`.",
            },
            Self::Overloaded => Entry {
                name: "OVERLOADED",
                status: StatusCode::SERVICE_UNAVAILABLE,
                when: "More requests are waiting than can be served in time. Nothing was done.",
                remedy: "Wait `Retry-After` seconds, then try again with the same \
                         Idempotency-Key.",
            },
            Self::DependencyUnavailable => Entry {
                name: "DEPENDENCY_UNAVAILABLE",
                status: StatusCode::SERVICE_UNAVAILABLE,
                when: "The database can't be reached at the moment.",
                remedy: "Wait `Retry-After` seconds, then try again with the same \
                         Idempotency-Key: nothing is done twice.",
            },
        }
    }
}
