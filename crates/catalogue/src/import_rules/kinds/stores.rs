//! Stores. Two may have the same name, so a store is known by its id alone.

use super::{
    super::{Column, Format, Need},
    Spec,
};

pub(super) const SPEC: Spec = Spec {
    name: "stores",
    noun: "store",
    about: "The stores that buy and the stores that sell.",
    columns: &[
        Column::id("the id of the store; every other file refers to it"),
        Column::new(
            "type",
            Format::OneOf(&["buyer", "vendor"]),
            Need::RequiredForNew,
            "its side of the market; never changed once the store is there",
        ),
        Column::new(
            "name",
            Format::Text,
            Need::RequiredForNew,
            "a name for people",
        ),
        Column::new(
            "state",
            Format::State,
            Need::RequiredForNew,
            "its state: a buyer buys in its own state only",
        ),
        Column::new(
            "kyc_status",
            Format::OneOf(&[
                "pending_verification",
                "verified",
                "rejected",
                "expired",
                "suspended",
            ]),
            Need::Default("pending_verification"),
            "only a `verified` store trades",
        ),
        Column::new("address", Format::Object, Need::Nullable, "kept as it is"),
    ],
    named_by: &[&["id"]],
};
