//! An order as its checkout made it, whatever moves it has made since.

use super::{
    order::{LineStatus, OrderStatus, VendorOrder},
    order_figures::compute_anew,
    pricing::DiscountTerms,
    rejection::LineRejectionReason,
};

/// Takes all moves of an order back, with the discount that the vendor has granted. A move changes neither a
/// quantity nor a price, and never a line that its checkout has rejected.
pub fn as_placed(order: &VendorOrder, discount: Option<DiscountTerms>) -> VendorOrder {
    let mut placed = order.clone();
    for line in &mut placed.lines {
        if !line.rejection_reason().is_some_and(is_of_a_checkout) {
            line.status = LineStatus::Pending;
            line.rejection = None;
        }
    }
    let is_any_reserved = placed.lines.iter().any(|line| line.rejection.is_none());
    placed.status = if is_any_reserved {
        placed.rejection_reason = None;
        OrderStatus::CreatedPending
    } else {
        OrderStatus::Rejected
    };
    compute_anew(&mut placed, discount);
    placed
}

/// True for the reasons that a checkout has, false for those that a move has.
const fn is_of_a_checkout(reason: LineRejectionReason) -> bool {
    match reason {
        LineRejectionReason::InsufficientInventory
        | LineRejectionReason::ProductUnavailable
        | LineRejectionReason::VendorLicenseInvalid
        | LineRejectionReason::VendorSubscriptionInactive
        | LineRejectionReason::VendorStateMismatch
        | LineRejectionReason::VendorOrderIncomplete
        | LineRejectionReason::PurchaseLimitReached => true,
        LineRejectionReason::VendorRejected
        | LineRejectionReason::OrderCanceled
        | LineRejectionReason::OrderExpired => false,
    }
}
