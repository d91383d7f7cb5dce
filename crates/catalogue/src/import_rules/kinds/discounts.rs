//! Store discounts: codes that a vendor gives out.

use super::{
    super::{Column, Format, Need},
    Spec,
};

pub(super) const SPEC: Spec = Spec {
    name: "discounts",
    noun: "discount",
    about: "Codes that a vendor gives out. One per vendor and cart.",
    columns: &[
        Column::id("which discount"),
        Column::new(
            "vendor_store_id",
            Format::Id,
            Need::RequiredForNew,
            "whose it is; never changed once it is there",
        ),
        Column::new(
            "code",
            Format::Name,
            Need::RequiredForNew,
            "what buyers type, in capitals or not",
        ),
        Column::new("title", Format::Text, Need::Default(""), "for people"),
        Column::new(
            "kind",
            Format::OneOf(&["percentage", "fixed"]),
            Need::RequiredForNew,
            "what `value` is",
        ),
        Column::new(
            "value",
            Format::DiscountValue,
            Need::RequiredForNew,
            "a percentage up to 100, or an amount of money with two decimals",
        ),
        Column::new(
            "min_subtotal",
            Format::Money,
            Need::Default("0"),
            "the least that the vendor's lines must come to",
        ),
        Column::new(
            "starts_at",
            Format::Time,
            Need::Default("now"),
            "from when on it is granted",
        ),
        Column::new(
            "ends_at",
            Format::Time,
            Need::Nullable,
            "until when, later than `starts_at`; null for no end",
        ),
        Column::new(
            "is_active",
            Format::Flag,
            Need::Default("true"),
            "whether it is granted at all",
        ),
    ],
    named_by: &[&["id"], &["vendor_store_id", "code"]],
};
