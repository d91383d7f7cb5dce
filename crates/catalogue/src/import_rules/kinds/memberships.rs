//! Who acts for which store.

use super::{
    super::{Column, Format, Need},
    Spec,
};

pub(super) const SPEC: Spec = Spec {
    name: "memberships",
    noun: "membership",
    about: "Who acts for which store. Without one nobody can buy.",
    columns: &[
        Column::id("which membership"),
        Column::new("store_id", Format::Id, Need::RequiredForNew, "the store"),
        Column::new("user_id", Format::Id, Need::RequiredOrLookup, "the user"),
        Column::new("email", Format::Email, Need::Optional, "the user, instead"),
        Column::new(
            "role",
            Format::OneOf(&["owner", "admin", "manager", "ops", "staff", "viewer"]),
            Need::RequiredForNew,
            "`staff` and `viewer` may only look",
        ),
        Column::new(
            "status",
            Format::OneOf(&["invited", "active", "removed"]),
            Need::Default("invited"),
            "only `active` members act",
        ),
    ],
    named_by: &[&["id"], &["store_id", "user_id"], &["store_id", "email"]],
};
