//! One example per code, made by what makes the real ones: what the documentation shows is what is
//! answered.

use std::time::Duration;

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use serde_json::Value;
use uuid::Uuid;

use crate::{
    batching::Undecided,
    carts,
    domain::{
        caller::Forbidden,
        expected_cart::CartChange,
        money::Money,
        order::OrderStatus,
        order_moves::{Move, StateConflict},
        precondition::CartTag,
        refusal::Refusal,
        rejection::{Rejection, ShortLine},
        violation::{Violation, ViolationCode},
    },
};

use super::{ApiError, Code};
use crate::http::{json::FieldProblem, token::refused::Refused};

/// The request id of the examples.
const REQUEST_ID: &str = "01941f29-7c00-7000-8000-000000000001";

/// The body of the code's example.
pub fn body(code: Code) -> Value {
    let error = error(code);
    assert_eq!(error.code, code, "an example is of its own code");
    error.body(REQUEST_ID)
}

/// The code's example.
pub fn error(code: Code) -> ApiError {
    match code {
        Code::ValidationError => ApiError::malformed(&[
            problem(
                "/items/0/qty",
                "must be a whole number from 1 to 2147483647",
            ),
            problem("/totals", "is required"),
        ]),
        Code::Unauthorized => {
            ApiError::unauthorized(Refused::Expired.reason(), Refused::Expired.to_string())
        }
        Code::Forbidden => Forbidden::RoleNotAllowed.into(),
        Code::NotFound => Refusal::CartNotFound.into(),
        Code::MethodNotAllowed => ApiError::method_not_allowed("GET, PUT"),
        Code::RequestTimeout => ApiError::late_head(),
        Code::PayloadTooLarge => ApiError::payload_too_large(),
        Code::UnsupportedMediaType => ApiError::unsupported_media_type(),
        Code::CartAlreadyConverted => {
            Refusal::CartAlreadyConverted(Uuid::from_u128(GROUP).into()).into()
        }
        Code::PreconditionFailed => carts::Refusal::PreconditionFailed {
            current: Some(CartTag {
                id: Uuid::from_u128(CART).into(),
                version: 3,
            }),
        }
        .into(),
        Code::IdempotencyKeyReused => ApiError::key_reused(),
        Code::IdempotencyInProgress => ApiError::in_progress(),
        Code::CartChanged => Refusal::CartChanged(vec![
            CartChange::new("/expected_total", cents(9000), cents(8550)),
            CartChange::new("/expected_version", 3, 4),
        ])
        .into(),
        Code::CartExpired => Refusal::CartExpired { valid_until: NOON }.into(),
        Code::StockChanged => Refusal::StockChanged(vec![ShortLine {
            product_id: Uuid::from_u128(PRODUCT).into(),
            vendor_store_id: Uuid::from_u128(VENDOR).into(),
            qty: 10,
            rejection: Rejection::short(4, 1),
        }])
        .into(),
        Code::OrderStateConflict => StateConflict {
            order: Some((Uuid::from_u128(ORDER).into(), OrderStatus::Canceled)),
            allowed: Move::Fulfil.allowed(),
            line_item_ids: Vec::new(),
        }
        .into(),
        Code::CartInvalid => carts::Refusal::Invalid(cart_violations()).into(),
        Code::CheckoutInvalid => Refusal::Invalid(vec![payment_violation()]).into(),
        Code::RateLimited => ApiError::rate_limited("user", Duration::from_secs(1)),
        Code::Internal => ApiError::internal(),
        Code::Overloaded => Undecided::Overloaded {
            retry_after: Duration::from_secs(2),
        }
        .into(),
        Code::DependencyUnavailable => ApiError::unavailable(),
    }
}

/// Ids that look like those of the service.
const GROUP: u128 = 0x0194_1f29_7c00_7000_8000_0000_0000_0002;

/// The first product and the first vendor of the demo catalogue.
const PRODUCT: u128 = 0x0194_1f29_7c01_7a37_9bad_1e97_eeb7_f7f1;
const VENDOR: u128 = 0x0194_1f29_7c01_7446_81ff_f41d_2a45_a132;

const ORDER: u128 = 0x0194_1f29_7c00_7000_8000_0000_0000_0004;

const CART: u128 = 0x0194_1f29_7c00_7000_8000_0000_0000_0003;

const NOON: DateTime<Utc> = DateTime::from_timestamp(1_767_268_800, 0).expect("it is noon");

fn cents(cents: i64) -> Money {
    Money::rounded(Decimal::new(cents, 2))
}

fn problem(path: &str, problem: &str) -> FieldProblem {
    FieldProblem {
        path: path.to_owned(),
        problem: problem.to_owned(),
    }
}

fn cart_violations() -> Vec<Violation> {
    vec![
        Violation::new(ViolationCode::MoqNotMet, "/items/0/qty")
            .product(Uuid::from_u128(PRODUCT).into())
            .vendor(Uuid::from_u128(VENDOR).into())
            .figures(10, 3),
        Violation::new(ViolationCode::TotalMismatch, "/totals/total")
            .figures(cents(8550), cents(9000)),
    ]
}

fn payment_violation() -> Violation {
    Violation::new(ViolationCode::PaymentMethodNotAllowed, "/payment_method")
}
