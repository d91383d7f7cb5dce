//! People.

use super::{
    super::{Column, Format, Need},
    Spec,
};

pub(super) const SPEC: Spec = Spec {
    name: "users",
    noun: "user",
    about: "People. A token's `sub` is the id of one.",
    columns: &[
        Column::id("which user"),
        Column::new(
            "email",
            Format::Email,
            Need::RequiredForNew,
            "known by it, in capitals or not",
        ),
        Column::new("full_name", Format::Text, Need::Default(""), "for people"),
        Column::new(
            "is_active",
            Format::Flag,
            Need::Default("true"),
            "whether the user may do anything at all",
        ),
    ],
    named_by: &[&["id"], &["email"]],
};
