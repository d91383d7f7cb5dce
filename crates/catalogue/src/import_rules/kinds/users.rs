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
        Column::id("the id of the user"),
        Column::new(
            "email",
            Format::Email,
            Need::RequiredForNew,
            "the address that names the user; capitals make no difference",
        ),
        Column::new(
            "full_name",
            Format::Text,
            Need::Default(""),
            "a name for people",
        ),
        Column::new(
            "is_active",
            Format::Flag,
            Need::Default("true"),
            "false if the user may do nothing at all",
        ),
    ],
    named_by: &[&["id"], &["email"]],
};
