//! The sentences that give a buyer the reason for a rejected line, and the lines of a checkout that was
//! refused because it is all or nothing. The sentences are part of stored answers.

use serde::Serialize;
use utoipa::ToSchema;

use crate::domain::{
    ids::{ProductId, VendorStoreId},
    rejection::{LineRejectionReason, Rejection, ShortLine},
};

/// The reason of a rejection as a sentence that a buyer can act on.
pub fn sentence(rejection: &Rejection) -> String {
    if let (Some(reserved_qty), Some(limit)) = (rejection.reserved_qty, rejection.limit) {
        return format!(
            "Your store may have {} of this product, and had {} already: {reserved_qty} are reserved, these \
             are not.",
            limit.limit_qty, limit.bought_qty
        );
    }
    if let Some(reserved_qty) = rejection.reserved_qty {
        return format!("Only {reserved_qty} available: they are reserved, these are not.");
    }
    match (rejection.reason, rejection.available_qty) {
        (LineRejectionReason::InsufficientInventory, Some(0)) => {
            "None are available at present.".to_owned()
        }
        (LineRejectionReason::InsufficientInventory, Some(available))
            if let Some(moq) = rejection.moq =>
        {
            format!("Only {available} available, and no fewer than {moq} are sold at once.")
        }
        (LineRejectionReason::InsufficientInventory, Some(available)) => {
            format!("Only {available} available; order that many or fewer.")
        }
        (LineRejectionReason::InsufficientInventory, None) => {
            "Too few are available; order fewer.".to_owned()
        }
        (LineRejectionReason::ProductUnavailable, _) => {
            "This product is no longer sold.".to_owned()
        }
        (LineRejectionReason::VendorLicenseInvalid, _) => {
            "This vendor's licence is not valid at present.".to_owned()
        }
        (LineRejectionReason::VendorSubscriptionInactive, _) => {
            "This vendor does not sell on the marketplace at present.".to_owned()
        }
        (LineRejectionReason::VendorStateMismatch, _) => {
            "This vendor is in another state than your store.".to_owned()
        }
        (LineRejectionReason::VendorOrderIncomplete, _) => {
            "Another line of this vendor could not be had whole, and you asked for all or none."
                .to_owned()
        }
        (LineRejectionReason::PurchaseLimitReached, _) => match rejection.limit {
            Some(limit) => format!(
                "Your store may have {} of this product, and has {} already.",
                limit.limit_qty, limit.bought_qty
            ),
            None => "Your store may not have more of this product.".to_owned(),
        },
        (LineRejectionReason::VendorRejected, _) => "The vendor has declined this line.".to_owned(),
        (LineRejectionReason::OrderCanceled, _) => {
            "The order was canceled by your store.".to_owned()
        }
        (LineRejectionReason::OrderExpired, _) => "The vendor did not decide in time.".to_owned(),
    }
}

/// A line that is not available in full.
#[derive(Serialize, ToSchema)]
#[schema(as = ShortLine)]
pub struct ShortLineBody {
    /// The product.
    product_id: ProductId,
    /// The vendor.
    vendor_store_id: VendorStoreId,
    /// The quantity of the line.
    #[schema(minimum = 1)]
    qty: i32,
    /// The reason why the line is short.
    reason: LineRejectionReason,
    /// The reason as a sentence.
    #[schema(min_length = 1)]
    message: String,
    /// The available quantity; null if the reason is not a lack of stock.
    #[schema(required = true, minimum = 0)]
    available_qty: Option<i32>,
}

impl From<&ShortLine> for ShortLineBody {
    fn from(line: &ShortLine) -> Self {
        Self {
            product_id: line.product_id,
            vendor_store_id: line.vendor_store_id,
            qty: line.qty,
            reason: line.rejection.reason,
            message: sentence(&line.rejection),
            available_qty: line.rejection.available_qty,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_minimum_is_told_where_some_are_left_but_fewer_than_it() {
        for (available_qty, moq, told) in
            [(0, 1, false), (0, 4, false), (3, 4, true), (4, 4, false)]
        {
            let sentence = sentence(&Rejection::short(available_qty, moq));
            let is_told = sentence.contains("no fewer than 4");
            assert_eq!(is_told, told, "{available_qty} of {moq}: {sentence}");
        }
    }

    #[test]
    fn a_rejection_is_a_sentence_a_buyer_can_act_on() {
        assert_eq!(
            sentence(&Rejection::short(3, 1)),
            "Only 3 available; order that many or fewer."
        );
        // A quantity of zero can't be ordered, so the sentence does not suggest it.
        assert_eq!(
            sentence(&Rejection::short(0, 1)),
            "None are available at present."
        );
        for reason in LineRejectionReason::ALL {
            let sentence = sentence(&Rejection::because(reason));
            assert!(sentence.ends_with('.'), "{reason:?}: {sentence}");
        }
    }
}
