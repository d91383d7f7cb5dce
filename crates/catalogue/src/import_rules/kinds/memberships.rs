//! Memberships: the users who act for a store.

use super::{
    super::{Column, Format, Need},
    Spec,
};

pub(super) const SPEC: Spec = Spec {
    name: "memberships",
    noun: "membership",
    about: "The users who act for each store. Nobody can buy without a membership.",
    columns: &[
        Column::id("the id of the membership"),
        Column::new("store_id", Format::Id, Need::RequiredForNew, "the store"),
        Column::new("user_id", Format::Id, Need::RequiredOrLookup, "the user"),
        Column::new(
            "email",
            Format::Email,
            Need::Optional,
            "another way to name the user",
        ),
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
