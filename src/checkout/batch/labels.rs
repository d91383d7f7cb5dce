//! The labels under which answers and lines are counted.

use crate::{
    batching::{Answer, Undecided},
    domain::{order::Checkout, refusal::Refusal, rejection::LineRejectionReason},
    metrics::Metrics,
};

use super::{super::command::Decision, BatchContext};

/// The label of an answer in `splitcart_checkouts_total`, in the log and in traces.
pub fn of_answer(answer: &Answer<BatchContext>) -> &'static str {
    match answer {
        Ok(Decision::Created(_)) => "created",
        Ok(Decision::Replayed(_)) => "replayed",
        Ok(Decision::Refused(refusal)) => match refusal {
            Refusal::KeyReused => "key_reused",
            Refusal::CartNotFound => "cart_not_found",
            Refusal::CartAlreadyConverted(_) => "already_converted",
            Refusal::Forbidden(_) => "forbidden",
            Refusal::CartExpired { .. } => "cart_expired",
            Refusal::CartChanged(_) => "cart_changed",
            Refusal::Invalid(_) => "invalid",
            Refusal::StockChanged(_) => "stock_changed",
        },
        Err(Undecided::Overloaded { .. }) => "overloaded",
        Err(Undecided::Unavailable) => "unavailable",
        Err(Undecided::Failed) => "failed",
    }
}

/// Counts the lines of committed checkouts in `splitcart_reservations_total`.
pub(super) fn count_lines(metrics: &Metrics, checkouts: &[Checkout]) {
    let orders = checkouts.iter().flat_map(|checkout| &checkout.orders);
    for line in orders.flat_map(|order| &order.lines) {
        let label = match &line.rejection {
            None => "reserved",
            // The other part of the line is reserved, and counts as that.
            Some(rejection) if rejection.reserved_qty.is_some() => "filled_rest",
            Some(rejection) => match rejection.reason {
                LineRejectionReason::InsufficientInventory => "insufficient_inventory",
                LineRejectionReason::ProductUnavailable => "product_unavailable",
                LineRejectionReason::VendorLicenseInvalid => "vendor_license_invalid",
                LineRejectionReason::VendorSubscriptionInactive => "vendor_subscription_inactive",
                LineRejectionReason::VendorStateMismatch => "vendor_state_mismatch",
                LineRejectionReason::VendorOrderIncomplete => "vendor_order_incomplete",
                LineRejectionReason::PurchaseLimitReached => "purchase_limit_reached",
                LineRejectionReason::VendorRejected
                | LineRejectionReason::OrderCanceled
                | LineRejectionReason::OrderExpired => {
                    unreachable!("a checkout does not end what it has just created")
                }
            },
        };
        Metrics::count(&metrics.reservations, label);
    }
}
