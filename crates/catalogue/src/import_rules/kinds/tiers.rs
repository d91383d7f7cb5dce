//! Volume tiers of products.

use super::{
    super::{Column, Format, Need},
    Spec,
};

pub(super) const SPEC: Spec = Spec {
    name: "tiers",
    noun: "tier",
    about: "Volume tiers: from `min_qty` units on, each unit is cheaper.",
    columns: &[
        Column::id("the id of the tier"),
        Column::new(
            "product_id",
            Format::Id,
            Need::RequiredOrLookup,
            "the product; never changed once the tier is there",
        ),
        Column::new(
            "vendor_store_id",
            Format::Id,
            Need::Optional,
            "with `sku`, another way to name the product",
        ),
        Column::new(
            "sku",
            Format::Name,
            Need::Optional,
            "with `vendor_store_id`, another way to name the product",
        ),
        Column::new(
            "min_qty",
            Format::Quantity { least: 1 },
            Need::RequiredForNew,
            "the quantity from which on it applies",
        ),
        Column::new(
            "discount_percent",
            Format::Percent,
            Need::RequiredForNew,
            "the reduction of the list price",
        ),
    ],
    named_by: &[
        &["id"],
        &["product_id", "min_qty"],
        &["vendor_store_id", "sku", "min_qty"],
    ],
};
