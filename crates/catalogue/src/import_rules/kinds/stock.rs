//! Stock.
//!
//! Only figures that a file may repeat: "forty more" would be forty more each time. What is on hand
//! is what a count of the shelf says, and selling does not change it until goods leave.

use super::{
    super::{Column, Format, Need},
    Spec,
};

pub(super) const SPEC: Spec = Spec {
    name: "stock",
    noun: "stock of a product",
    about: "How much of a product there is. A row gives `on_hand_qty` or `available_qty`, not both.",
    columns: &[
        Column::new(
            "product_id",
            Format::Id,
            Need::RequiredOrLookup,
            "the product",
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
            "on_hand_qty",
            Format::Quantity { least: 0 },
            Need::Optional,
            "what is on the shelf, reserved units included; the rest becomes available",
        ),
        Column::new(
            "available_qty",
            Format::Quantity { least: 0 },
            Need::Optional,
            "what may still be sold, whatever is reserved",
        ),
        Column::new(
            "low_stock_threshold",
            Format::Quantity { least: 0 },
            Need::Default("0"),
            "below this the stock counts as low",
        ),
    ],
    named_by: &[&["product_id"], &["vendor_store_id", "sku"]],
};
