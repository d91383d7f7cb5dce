//! Stores. Two may well have one name, so a store is known by its id and nothing else.

use super::{
    super::{Column, Format, Need},
    Spec,
};

pub(super) const SPEC: Spec = Spec {
    name: "stores",
    noun: "store",
    about: "Who buys and who sells.",
    columns: &[
        Column::id("which store; every other file refers to it by this"),
        Column::new(
            "type",
            Format::OneOf(&["buyer", "vendor"]),
            Need::RequiredForNew,
            "which side it is on; never changed once it is there",
        ),
        Column::new("name", Format::Text, Need::RequiredForNew, "for people"),
        Column::new(
            "state",
            Format::State,
            Need::RequiredForNew,
            "where it is: a buyer buys in its own state only",
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
