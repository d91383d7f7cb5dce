//! Every rule that a cart or a checkout can break, and every reason a line can be rejected for: when
//! and what to do. The names themselves are the domain's.

use crate::domain::{rejection::LineRejectionReason, violation::ViolationCode};

/// When a rule is broken, and what to do then.
#[derive(Clone, Copy, Debug)]
pub struct Rule {
    /// When it is answered.
    pub when: &'static str,
    /// What the client is to do about it.
    pub remedy: &'static str,
}

/// A violation's line of the table.
pub const fn violation(code: ViolationCode) -> Rule {
    match code {
        ViolationCode::ProductNotFound => Rule {
            when: "There is no product with this id.",
            remedy: "Take the line out.",
        },
        ViolationCode::ProductInactive => Rule {
            when: "The product is no longer sold.",
            remedy: "Take the line out.",
        },
        ViolationCode::VendorMismatch => Rule {
            when: "The product belongs to another vendor than the line says.",
            remedy: "Send the id of the vendor whose product it is.",
        },
        ViolationCode::DuplicateProduct => Rule {
            when: "An earlier line has the same product.",
            remedy: "Make one line of both, with the sum of their quantities.",
        },
        ViolationCode::MoqNotMet => Rule {
            when: "The quantity is below the least that the vendor sells at once.",
            remedy: "Order at least `expected`.",
        },
        ViolationCode::MaxQtyExceeded => Rule {
            when: "The quantity is above the most that the vendor sells at once, or than an \
                   amount of money can hold.",
            remedy: "Order at most `expected`, where it is given.",
        },
        ViolationCode::InsufficientInventory => Rule {
            when: "More is asked for than there is.",
            remedy: "Order at most `expected`, which is what is available, or take the line out.",
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
            remedy: "Take the discount out.",
        },
        ViolationCode::DiscountInactive => Rule {
            when: "The discount is switched off, has not started yet or is over.",
            remedy: "Take the discount out.",
        },
        ViolationCode::DiscountMinSubtotal => Rule {
            when: "The vendor's lines come to less than the discount asks for.",
            remedy: "Order for at least `expected` from this vendor, or take the discount out.",
        },
        ViolationCode::VendorLicenseInvalid => Rule {
            when: "The vendor is not verified or has no valid licence.",
            remedy: "Take the vendor's lines out; nothing can be bought there at present.",
        },
        ViolationCode::VendorSubscriptionInactive => Rule {
            when: "The vendor's subscription to the marketplace has ended.",
            remedy: "Take the vendor's lines out; nothing can be bought there at present.",
        },
        ViolationCode::VendorStateMismatch => Rule {
            when: "The vendor is in another state than the buyer; such goods cross no border.",
            remedy: "Take the vendor's lines out and buy from one in your state.",
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
            when: "This way of paying is not offered here.",
            remedy: "Send `cash`, or leave the field out.",
        },
    }
}

/// A line rejection's line of the table.
pub const fn rejection(reason: LineRejectionReason) -> Rule {
    match reason {
        LineRejectionReason::InsufficientInventory => Rule {
            when: "Too little was left when it was this line's turn.",
            remedy: "Order at most `available_qty` in a new cart, or buy elsewhere.",
        },
        LineRejectionReason::ProductUnavailable => Rule {
            when: "The product is no longer sold.",
            remedy: "Buy another product.",
        },
        LineRejectionReason::VendorLicenseInvalid => Rule {
            when: "The vendor lost its verification or licence since the cart was frozen.",
            remedy: "Buy from another vendor, or later.",
        },
        LineRejectionReason::VendorSubscriptionInactive => Rule {
            when: "The vendor's subscription ended since the cart was frozen.",
            remedy: "Buy from another vendor, or later.",
        },
        LineRejectionReason::VendorStateMismatch => Rule {
            when: "Vendor and buyer are no longer in the same state.",
            remedy: "Buy from a vendor in your state.",
        },
        LineRejectionReason::VendorOrderIncomplete => Rule {
            when: "Another line of this vendor could not be had whole, and the `shortage_policy` \
                   was `reject_vendor`.",
            remedy: "Look at the vendor's other rejected lines, or buy under another policy.",
        },
    }
}
