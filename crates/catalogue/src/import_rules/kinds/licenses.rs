//! Licences, without which no store trades.

use super::{
    super::{Column, Format, Need},
    Spec,
};

pub(super) const SPEC: Spec = Spec {
    name: "licenses",
    noun: "licence",
    about: "Licences. A store trades with one that is verified, issued by its own state and not expired.",
    columns: &[
        Column::id("the id of the licence"),
        Column::new(
            "store_id",
            Format::Id,
            Need::RequiredForNew,
            "the store; never changed once the licence is there",
        ),
        Column::new(
            "issuing_state",
            Format::State,
            Need::RequiredForNew,
            "the state that issued it",
        ),
        Column::new(
            "number",
            Format::Name,
            Need::RequiredForNew,
            "its number in that state",
        ),
        Column::new(
            "type",
            Format::OneOf(&["grower", "producer", "distributor", "dispensary"]),
            Need::RequiredForNew,
            "the licensed business",
        ),
        Column::new(
            "status",
            Format::OneOf(&["pending", "verified", "rejected", "expired"]),
            Need::Default("pending"),
            "only a `verified` one counts",
        ),
        Column::new("issued_on", Format::Date, Need::Nullable, "its first day"),
        Column::new(
            "expires_on",
            Format::Date,
            Need::Nullable,
            "its last day, which still counts (UTC); null if it never ends",
        ),
    ],
    named_by: &[&["id"], &["issuing_state", "number"]],
};
