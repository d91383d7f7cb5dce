//! The refusals and faults of the layers below, as errors of the API. Each is translated in one `match`.

use std::time::Duration;

use serde_json::json;

use crate::{
    batching::Undecided,
    carts,
    db::{self, Fault},
    domain::{
        caller::Forbidden,
        order_moves::StateConflict,
        refusal::Refusal,
        store::BuyerIneligible,
        violation::{Violation, ViolationCode},
    },
    http::json::FieldProblem,
    orders::{self, command::Target},
};

use super::{ApiError, Code, details::list, rejections::ShortLineBody};

impl From<Forbidden> for ApiError {
    fn from(reason: Forbidden) -> Self {
        let (word, message) = match reason {
            Forbidden::NoActiveStore => (
                "no_active_store",
                "The token names no active store; choose a store and get a new token.",
            ),
            Forbidden::NotAMember => (
                "not_a_member",
                "You are not an active member of this store.",
            ),
            Forbidden::RoleNotAllowed => ("role", "Your role may read but not change anything."),
            Forbidden::NotAnAdministrator => (
                "not_an_administrator",
                "Only an owner or admin of the store may do this.",
            ),
            Forbidden::StoreMayNotBuy(BuyerIneligible::NotABuyer) => {
                ("not_a_buyer", "This store is not a buyer.")
            }
            Forbidden::StoreMayNotBuy(BuyerIneligible::LicenseInvalid) => (
                "license",
                "This store is not verified, or has no valid licence in its own state.",
            ),
            Forbidden::NotAVendor => ("not_a_vendor", "This store is not a vendor."),
            Forbidden::NotTheVendorOfTheOrder => {
                ("not_its_vendor", "Only the order's vendor may do this.")
            }
            Forbidden::NotTheBuyerOfTheOrder => {
                ("not_its_buyer", "Only the order's buyer may do this.")
            }
        };
        Self {
            auth_reason: Some(word),
            ..Self::new(Code::Forbidden, message)
        }
    }
}

impl From<db::Error> for ApiError {
    fn from(error: db::Error) -> Self {
        let answer = match error.fault() {
            Fault::Permanent => Self::internal(),
            Fault::Busy => Self::busy(),
            Fault::Transient | Fault::Unreachable => Self::unavailable(),
        };
        // Logged in the canonical line of the request.
        answer.because(&error.to_string())
    }
}

impl From<carts::Refusal> for ApiError {
    fn from(refusal: carts::Refusal) -> Self {
        match refusal {
            carts::Refusal::Forbidden(reason) | carts::Refusal::MayNotBuy(reason) => reason.into(),
            carts::Refusal::KeyReused => Self::key_reused(),
            carts::Refusal::Invalid(violations) => {
                invalid(Code::CartInvalid, "The cart", &violations)
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
                         Nothing was changed; read it with GET /api/v1/cart and decide again."
                    ),
                )
            }
        }
    }
}

impl From<orders::command::Refusal> for ApiError {
    fn from(refusal: orders::command::Refusal) -> Self {
        match refusal {
            orders::command::Refusal::Forbidden(reason) => reason.into(),
            orders::command::Refusal::KeyReused => Self::key_reused(),
            orders::command::Refusal::NotFound(Target::Order(_)) => Self::order_not_found(),
            orders::command::Refusal::NotFound(Target::Group(_)) => Self::group_not_found(),
            orders::command::Refusal::UnknownLines(places) => {
                let problems = places.into_iter().map(|place| FieldProblem {
                    path: format!("/lines/{place}/line_item_id"),
                    problem: "is no line of this order".to_owned(),
                });
                Self::malformed(&problems.collect::<Vec<_>>())
            }
            orders::command::Refusal::StateConflict(conflict) => conflict.into(),
        }
    }
}

impl From<StateConflict> for ApiError {
    fn from(conflict: StateConflict) -> Self {
        let StateConflict {
            order,
            allowed,
            line_item_ids,
        } = conflict;
        let message = match order {
            Some((_, status)) if line_item_ids.is_empty() => format!(
                "The order is {}; this is not possible any more, or not yet. Nothing was changed.",
                status.word()
            ),
            Some(_) => {
                "The decision names lines that are not pending. Nothing was changed.".to_owned()
            }
            None => {
                "No order of the group can be canceled any more. Nothing was changed.".to_owned()
            }
        };
        let allowed: Vec<_> = allowed.iter().map(|status| status.word()).collect();
        let mut details = json!({});
        if let Some((id, status)) = order {
            details["order_id"] = json!(id);
            details["status"] = json!(status);
        }
        details["allowed"] = json!(allowed);
        if !line_item_ids.is_empty() {
            details["line_item_ids"] = json!(line_item_ids);
        }
        Self::new(Code::OrderStateConflict, message).details(details)
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
            Refusal::CartExpired { valid_until } => Self::new(
                Code::CartExpired,
                "The cart's prices are no longer held; PUT /api/v1/cart again to see what it costs \
                 now.",
            )
            .details(json!({ "valid_until": valid_until })),
            Refusal::CartChanged(changes) => Self::new(
                Code::CartChanged,
                "The cart is not what you expect; details.changes says how it differs. Read it with \
                 GET /api/v1/cart and decide again.",
            )
            .details(json!({ "changes": changes })),
            Refusal::Invalid(violations) => {
                invalid(Code::CheckoutInvalid, "The checkout", &violations)
            }
            Refusal::StockChanged(lines) => Self::new(
                Code::StockChanged,
                "Not everything is available any more, and you asked for all or nothing; details.lines \
                 says what is missing. Nothing was bought.",
            )
            .details(list(
                "lines",
                &lines.iter().map(ShortLineBody::from).collect::<Vec<_>>(),
            )),
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
            // The queue that refuses has spread the wait already.
            .retry_after(retry_after, Duration::ZERO),
            Undecided::Unavailable => Self::unavailable(),
            Undecided::Failed => Self::internal(),
        }
    }
}

/// Rules are broken: all of them are named.
fn invalid(code: Code, what: &str, violations: &[Violation]) -> ApiError {
    let rules = if violations.len() == 1 {
        "1 rule"
    } else {
        "several rules"
    };
    let message = format!("{what} breaks {rules}; details.violations names each one.");
    let guesses = violations
        .iter()
        .filter(|violation| violation.code == ViolationCode::DiscountNotFound);
    ApiError {
        code_guesses: u32::try_from(guesses.count()).unwrap_or(u32::MAX),
        ..ApiError::new(code, message).details(list("violations", violations))
    }
}
