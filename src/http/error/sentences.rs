//! The sentences about every rule that a cart or a checkout can break, and about every reason why a line is
//! rejected: when, and what to do. The names themselves are the domain's.

use crate::domain::{rejection::LineRejectionReason, violation::ViolationCode};

/// The sentences about one rule or reason.
#[derive(Clone, Copy, Debug)]
pub struct Rule {
    /// The situation in which the code is answered.
    pub when: &'static str,
    /// The client's next step.
    pub remedy: &'static str,
}

/// A violation's line of the table.
pub const fn violation(code: ViolationCode) -> Rule {
    match code {
        ViolationCode::ProductNotFound => Rule {
            when: "There is no product with this id.",
            remedy: "Remove the line.",
        },
        ViolationCode::ProductInactive => Rule {
            when: "The product is no longer sold.",
            remedy: "Remove the line.",
        },
        ViolationCode::VendorMismatch => Rule {
            when: "The product belongs to another vendor than the line says.",
            remedy: "Send the id of the vendor whose product it is.",
        },
        ViolationCode::DuplicateProduct => Rule {
            when: "An earlier line has the same product.",
            remedy: "Merge both lines into one, with the sum of their quantities.",
        },
        ViolationCode::MoqNotMet => Rule {
            when: "The quantity is below the vendor's minimum.",
            remedy: "Order at least `expected`.",
        },
        ViolationCode::MaxQtyExceeded => Rule {
            when: "The quantity is above the vendor's maximum, or its total is larger than an \
                   amount of money can be.",
            remedy: "Order at most `expected`, where it is given.",
        },
        ViolationCode::PurchaseLimitReached => Rule {
            when: "The quantity is more than one store may have of this product.",
            remedy: "Order at most `expected`, less what your store has bought already.",
        },
        ViolationCode::InsufficientInventory => Rule {
            when: "More is requested than is available.",
            remedy: "Order at most `expected`, which is what is available, or remove the line.",
        },
        ViolationCode::UnitPriceMismatch => Rule {
            when: "The line's `unit_price` is not the price after the volume tier.",
            remedy: "Show the buyer `expected` and send it, or leave the field out.",
        },
        ViolationCode::LineTotalMismatch => Rule {
            when: "The line's `line_total` is not unit price x quantity.",
            remedy: "Show the buyer `expected` and send it, or leave the field out.",
        },
        ViolationCode::SubtotalMismatch => Rule {
            when: "`totals.subtotal` is not the sum of list price x quantity.",
            remedy: "Show the buyer `expected` and send it.",
        },
        ViolationCode::DiscountMismatch => Rule {
            when: "`totals.discount_total` is not the sum of tier and store discounts.",
            remedy: "Show the buyer `expected` and send it.",
        },
        ViolationCode::TotalMismatch => Rule {
            when: "`totals.total` is not subtotal less discounts.",
            remedy: "Show the buyer `expected` and send it.",
        },
        ViolationCode::DiscountNotFound => Rule {
            when: "The vendor has no discount with this code, or no line in the cart.",
            remedy: "Remove the discount.",
        },
        ViolationCode::DiscountInactive => Rule {
            when: "The discount is switched off, has not started yet or has ended.",
            remedy: "Remove the discount.",
        },
        ViolationCode::DiscountMinSubtotal => Rule {
            when: "The vendor's lines come to less than the discount requires.",
            remedy: "Order for at least `expected` from this vendor, or remove the discount.",
        },
        ViolationCode::VendorLicenseInvalid => Rule {
            when: "The vendor is not verified or has no valid licence.",
            remedy: "Remove the vendor's lines; nothing can be bought there at the moment.",
        },
        ViolationCode::VendorSubscriptionInactive => Rule {
            when: "The vendor's subscription to the marketplace has ended.",
            remedy: "Remove the vendor's lines; nothing can be bought there at the moment.",
        },
        ViolationCode::VendorStateMismatch => Rule {
            when: "The vendor is in another state than the buyer; these goods may not cross a state border.",
            remedy: "Remove the vendor's lines and buy from a vendor in your state.",
        },
        ViolationCode::CurrencyUnsupported => Rule {
            when: "The catalogue has no prices in this currency.",
            remedy: "Send `USD`, or leave the field out.",
        },
        ViolationCode::CartEmpty => Rule {
            when: "There is nothing in the cart to buy.",
            remedy: "PUT a cart with lines first.",
        },
        ViolationCode::PaymentMethodNotAllowed => Rule {
            when: "This payment method is not offered here.",
            remedy: "Send `cash`, or leave the field out.",
        },
    }
}

/// A line rejection's line of the table.
pub const fn rejection(reason: LineRejectionReason) -> Rule {
    match reason {
        LineRejectionReason::InsufficientInventory => Rule {
            when: "Too little was left for this line.",
            remedy: "Order at most `available_qty` in a new cart, or buy elsewhere.",
        },
        LineRejectionReason::ProductUnavailable => Rule {
            when: "The product is no longer sold.",
            remedy: "Buy another product.",
        },
        LineRejectionReason::VendorLicenseInvalid => Rule {
            when: "The vendor has lost its verification or licence since the cart was frozen.",
            remedy: "Buy from another vendor, or later.",
        },
        LineRejectionReason::VendorSubscriptionInactive => Rule {
            when: "The vendor's subscription has ended since the cart was frozen.",
            remedy: "Buy from another vendor, or later.",
        },
        LineRejectionReason::VendorStateMismatch => Rule {
            when: "Vendor and buyer are no longer in the same state.",
            remedy: "Buy from a vendor in your state.",
        },
        LineRejectionReason::VendorOrderIncomplete => Rule {
            when: "Another line of this vendor was not available in full, and the `shortage_policy` \
                   was `reject_vendor`.",
            remedy: "Look at the vendor's other rejected lines, or buy under another policy.",
        },
        LineRejectionReason::PurchaseLimitReached => Rule {
            when: "With this line your store would have had more of the product than one store may.",
            remedy: "Order at most `limit_qty` less `bought_qty`, or later if the limit is per time.",
        },
        LineRejectionReason::VendorRejected => Rule {
            when: "The vendor has declined the line.",
            remedy: "Read its `note`, if there is one, and buy elsewhere.",
        },
        LineRejectionReason::OrderCanceled => Rule {
            when: "The buyer has canceled the order.",
            remedy: "Nothing: its units are for sale again.",
        },
        LineRejectionReason::OrderExpired => Rule {
            when: "The vendor did not decide about the order in time.",
            remedy: "Buy again, or elsewhere: its units are for sale again.",
        },
    }
}
