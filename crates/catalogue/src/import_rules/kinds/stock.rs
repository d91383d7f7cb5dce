//! Stock.
//!
//! A row holds absolute quantities, which a file may repeat: "forty more" would be forty more each time.
//! The quantity on hand is the count of the shelf; selling does not change it until goods leave.

use super::{
    super::{Column, Format, Need},
    Spec,
};

pub(super) const SPEC: Spec = Spec {
    name: "stock",
    noun: "stock of a product",
    about: "The quantity of each product. A row gives `on_hand_qty` or `available_qty`, not both.",
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
            "with `sku`, another way to name the product",
        ),
        Column::new(
            "sku",
            Format::Name,
            Need::Optional,
            "with `vendor_store_id`, another way to name the product",
        ),
        Column::new(
            "on_hand_qty",
            Format::Quantity { least: 0 },
            Need::Optional,
            "the quantity on the shelf, with the reserved units; the rest becomes available",
        ),
        Column::new(
            "available_qty",
            Format::Quantity { least: 0 },
            Need::Optional,
            "the quantity that may still be sold, without the reserved units",
        ),
        Column::new(
            "low_stock_threshold",
            Format::Quantity { least: 0 },
            Need::Default("0"),
            "the quantity below which the stock counts as low",
        ),
    ],
    named_by: &[&["product_id"], &["vendor_store_id", "sku"]],
};
