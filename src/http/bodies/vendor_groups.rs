//! The part of each vendor in a cart or a quote.

use serde::Serialize;
use utoipa::ToSchema;

use crate::domain::{
    cart::{GrantedDiscount, Totals, VendorGroup},
    ids::VendorStoreId,
    money::Money,
    pricing::{DiscountKind, DiscountTerms},
};

/// One vendor's part of a cart.
#[derive(Serialize, ToSchema)]
#[schema(as = CartVendorGroup)]
pub struct VendorGroupBody<'a> {
    /// The vendor.
    vendor_store_id: VendorStoreId,
    /// The vendor's name, for people.
    vendor_name: &'a str,
    #[serde(flatten)]
    totals: Totals,
    /// The vendor's discount, if one was granted.
    #[schema(required = true)]
    store_discount: Option<StoreDiscountBody<'a>>,
}

/// A vendor's discount, granted and frozen.
#[derive(Serialize, ToSchema)]
#[schema(as = StoreDiscount)]
pub struct StoreDiscountBody<'a> {
    /// The discount's code, in the vendor's spelling.
    code: &'a str,
    /// The discount's name, for people.
    title: &'a str,
    /// The meaning of `value`.
    kind: DiscountKind,
    /// A percentage or an amount of money.
    #[schema(value_type = String, pattern = r"^[0-9]+(\.[0-9]{1,4})?$", example = "10")]
    value: DiscountTerms,
    /// The amount taken off this cart.
    amount: Money,
}

pub(super) fn vendor_group<'a>(
    group: VendorGroup<'a>,
    name: Option<&'a String>,
) -> VendorGroupBody<'a> {
    let discount = |granted: &'a GrantedDiscount| StoreDiscountBody {
        code: &granted.code,
        title: &granted.title,
        kind: granted.terms.kind(),
        value: granted.terms,
        amount: granted.amount,
    };
    VendorGroupBody {
        vendor_store_id: group.vendor_store_id,
        vendor_name: name.map_or("", String::as_str),
        totals: group.totals,
        store_discount: group.store_discount.map(discount),
    }
}
