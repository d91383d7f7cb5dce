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
        Column::id("the id of the discount"),
        Column::new(
            "vendor_store_id",
            Format::Id,
            Need::RequiredForNew,
            "the vendor; never changed once the discount is there",
        ),
        Column::new(
            "code",
            Format::Name,
            Need::RequiredForNew,
            "the code that buyers type; capitals make no difference",
        ),
        Column::new(
            "title",
            Format::Text,
            Need::Default(""),
            "a title for people",
        ),
        Column::new(
            "kind",
            Format::OneOf(&["percentage", "fixed"]),
            Need::RequiredForNew,
            "the meaning of `value`",
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
            "the least subtotal of the vendor's lines",
        ),
        Column::new(
            "starts_at",
            Format::Time,
            Need::Default("now"),
            "the time from which it is granted",
        ),
        Column::new(
            "ends_at",
            Format::Time,
            Need::Nullable,
            "the end, later than `starts_at`; null for no end",
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
