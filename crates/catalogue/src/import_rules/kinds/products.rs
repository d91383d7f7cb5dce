//! Products.

use super::{
    super::{Column, Format, Need},
    Spec,
};

pub(super) const SPEC: Spec = Spec {
    name: "products",
    noun: "product",
    about: "What is sold. Carts that are frozen already keep what they were frozen with.",
    columns: &[
        Column::id("which product"),
        Column::new(
            "vendor_store_id",
            Format::Id,
            Need::RequiredForNew,
            "whose it is; never changed once it is there",
        ),
        Column::new(
            "sku",
            Format::Name,
            Need::RequiredForNew,
            "the vendor's own number for it",
        ),
        Column::new("title", Format::Text, Need::RequiredForNew, "for people"),
        Column::new("category", Format::Text, Need::Default(""), "for people"),
        Column::new(
            "unit",
            Format::OneOf(&["unit", "gram", "ounce", "pound", "eighth", "sixteenth"]),
            Need::Default("unit"),
            "what one unit of quantity is",
        ),
        Column::new(
            "price",
            Format::Money,
            Need::RequiredForNew,
            "the list price of one",
        ),
        Column::new(
            "moq",
            Format::Quantity { least: 1 },
            Need::Default("1"),
            "the least that is sold at once",
        ),
        Column::new(
            "max_qty",
            Format::Quantity { least: 1 },
            Need::Nullable,
            "the most that is sold at once, not less than `moq`; null for no limit",
        ),
        Column::new(
            "is_active",
            Format::Flag,
            Need::Default("true"),
            "whether it is sold",
        ),
        Column::new(
            "image_url",
            Format::Text,
            Need::Nullable,
            "where a picture of it is",
        ),
    ],
    named_by: &[&["id"], &["vendor_store_id", "sku"]],
};
