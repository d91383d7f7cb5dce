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
        Column::id("which tier"),
        Column::new(
            "product_id",
            Format::Id,
            Need::RequiredOrLookup,
            "the product; never changed once it is there",
        ),
        Column::new(
            "vendor_store_id",
            Format::Id,
            Need::Optional,
            "the product, instead, with `sku`",
        ),
        Column::new(
            "sku",
            Format::Name,
            Need::Optional,
            "the product, instead, with `vendor_store_id`",
        ),
        Column::new(
            "min_qty",
            Format::Quantity { least: 1 },
            Need::RequiredForNew,
            "the least quantity that it holds for",
        ),
        Column::new(
            "discount_percent",
            Format::Percent,
            Need::RequiredForNew,
            "what is taken off the list price",
        ),
    ],
    named_by: &[
        &["id"],
        &["product_id", "min_qty"],
        &["vendor_store_id", "sku", "min_qty"],
    ],
};
