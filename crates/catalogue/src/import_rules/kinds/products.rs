//! Products.

use super::{
    super::{Column, Format, Need},
    Spec,
};

pub(super) const SPEC: Spec = Spec {
    name: "products",
    noun: "product",
    about: "The products for sale. Carts that are frozen already keep their prices and terms.",
    columns: &[
        Column::id("the id of the product"),
        Column::new(
            "vendor_store_id",
            Format::Id,
            Need::RequiredForNew,
            "the vendor; never changed once the product is there",
        ),
        Column::new(
            "sku",
            Format::Name,
            Need::RequiredForNew,
            "the vendor's own name or number for it",
        ),
        Column::new(
            "title",
            Format::Text,
            Need::RequiredForNew,
            "a title for people",
        ),
        Column::new(
            "category",
            Format::Text,
            Need::Default(""),
            "a category for people",
        ),
        Column::new(
            "unit",
            Format::OneOf(&["unit", "gram", "ounce", "pound", "eighth", "sixteenth"]),
            Need::Default("unit"),
            "the unit of its quantities",
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
            "the least quantity of an order line",
        ),
        Column::new(
            "max_qty",
            Format::Quantity { least: 1 },
            Need::Nullable,
            "the most of an order line, not less than `moq`; null for no limit",
        ),
        Column::new(
            "buyer_limit_qty",
            Format::Quantity { least: 1 },
            Need::Nullable,
            "the most that one buyer store may have reserved or bought; null for no limit",
        ),
        Column::new(
            "buyer_limit_days",
            Format::Days { most: 3650 },
            Need::Nullable,
            "the days before now in which purchases count for `buyer_limit_qty`; null for all time",
        ),
        Column::new(
            "is_active",
            Format::Flag,
            Need::Default("true"),
            "true if it is for sale",
        ),
        Column::new(
            "image_url",
            Format::Text,
            Need::Nullable,
            "the address of a picture",
        ),
    ],
    named_by: &[&["id"], &["vendor_store_id", "sku"]],
};
