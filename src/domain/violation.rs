//! Violations: rules that an input breaks. Callers always get all of them at once.

use serde::Serialize;
use utoipa::ToSchema;

use super::{
    ids::{ProductId, VendorStoreId},
    money::Money,
};

/// The rule that was broken, as clients see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ViolationCode {
    /// No such product.
    ProductNotFound,
    /// The product is no longer sold.
    ProductInactive,
    /// The product belongs to another vendor than the line says.
    VendorMismatch,
    /// Two lines of one product.
    DuplicateProduct,
    /// Fewer units than the vendor sells at once.
    MoqNotMet,
    /// More units than the vendor sells at once, or than an amount of money can hold.
    MaxQtyExceeded,
    /// More units than one buyer store may have.
    PurchaseLimitReached,
    /// More units than there are.
    InsufficientInventory,
    /// The price after the tier is another.
    UnitPriceMismatch,
    /// The line's total is another.
    LineTotalMismatch,
    /// The sum of list price x quantity is another.
    SubtotalMismatch,
    /// The sum of tier and store discounts is another.
    DiscountMismatch,
    /// Subtotal less discounts is another.
    TotalMismatch,
    /// The vendor has no such discount, or no line in the cart.
    DiscountNotFound,
    /// The discount is switched off or outside its window.
    DiscountInactive,
    /// The vendor's lines are worth less than the discount asks for.
    DiscountMinSubtotal,
    /// The vendor is not verified or has no valid licence.
    VendorLicenseInvalid,
    /// The vendor's subscription has ended.
    VendorSubscriptionInactive,
    /// The vendor sits in another state than the buyer.
    VendorStateMismatch,
    /// No cart can be priced in this currency.
    CurrencyUnsupported,
    /// There is nothing in the cart.
    CartEmpty,
    /// The way of paying is not offered.
    PaymentMethodNotAllowed,
}

impl ViolationCode {
    /// All rules, in the order of the documentation.
    pub const ALL: [Self; 22] = [
        Self::ProductNotFound,
        Self::ProductInactive,
        Self::VendorMismatch,
        Self::DuplicateProduct,
        Self::MoqNotMet,
        Self::MaxQtyExceeded,
        Self::PurchaseLimitReached,
        Self::InsufficientInventory,
        Self::UnitPriceMismatch,
        Self::LineTotalMismatch,
        Self::SubtotalMismatch,
        Self::DiscountMismatch,
        Self::TotalMismatch,
        Self::DiscountNotFound,
        Self::DiscountInactive,
        Self::DiscountMinSubtotal,
        Self::VendorLicenseInvalid,
        Self::VendorSubscriptionInactive,
        Self::VendorStateMismatch,
        Self::CurrencyUnsupported,
        Self::CartEmpty,
        Self::PaymentMethodNotAllowed,
    ];
}

/// A figure in a violation: money as a string, a quantity as a number, anything else as text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(untagged)]
pub enum Figure {
    /// An amount of money.
    Money(Money),
    /// A number of units.
    Qty(i32),
    /// A code or an id.
    Text(String),
}

impl From<Money> for Figure {
    fn from(amount: Money) -> Self {
        Self::Money(amount)
    }
}

impl From<i32> for Figure {
    fn from(qty: i32) -> Self {
        Self::Qty(qty)
    }
}

impl From<String> for Figure {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

/// One broken rule, with enough around it to repair the input.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Violation {
    /// The rule.
    pub code: ViolationCode,
    /// A JSON pointer into the request body (RFC 6901), such as `/items/0/qty`.
    pub path: String,
    /// The product that is concerned, if one is.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub product_id: Option<ProductId>,
    /// The vendor that is concerned, if one is.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub vendor_store_id: Option<VendorStoreId>,
    /// The figure that would have been right.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub expected: Option<Figure>,
    /// The figure that was sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub actual: Option<Figure>,
}

impl Violation {
    /// A violation at a place in the request body.
    pub fn new(code: ViolationCode, path: impl Into<String>) -> Self {
        Self {
            code,
            path: path.into(),
            product_id: None,
            vendor_store_id: None,
            expected: None,
            actual: None,
        }
    }

    /// Names the product.
    #[must_use]
    pub fn product(mut self, id: ProductId) -> Self {
        self.product_id = Some(id);
        self
    }

    /// Names the vendor.
    #[must_use]
    pub fn vendor(mut self, id: VendorStoreId) -> Self {
        self.vendor_store_id = Some(id);
        self
    }

    /// Shows the right figure beside the one that was sent.
    #[must_use]
    pub fn figures(mut self, expected: impl Into<Figure>, actual: impl Into<Figure>) -> Self {
        self.expected = Some(expected.into());
        self.actual = Some(actual.into());
        self
    }
}
