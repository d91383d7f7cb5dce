//! Subscriptions, without which no vendor sells.

use super::{
    super::{Column, Format, Need},
    Spec,
};

pub(super) const SPEC: Spec = Spec {
    name: "subscriptions",
    noun: "subscription",
    about: "A vendor's subscription, one each. It sells while it is `trialing` or `active` and the \
            period has not ended.",
    columns: &[
        Column::id("which subscription"),
        Column::new(
            "vendor_store_id",
            Format::Id,
            Need::RequiredForNew,
            "whose it is; never changed once it is there",
        ),
        Column::new(
            "status",
            Format::OneOf(&["trialing", "active", "past_due", "canceled", "paused"]),
            Need::RequiredForNew,
            "where it stands",
        ),
        Column::new(
            "current_period_end",
            Format::Time,
            Need::RequiredForNew,
            "when the paid period ends",
        ),
    ],
    named_by: &[&["id"], &["vendor_store_id"]],
};
