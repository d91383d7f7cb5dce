//! Subscriptions, without which no vendor sells.

use super::{
    super::{Column, Format, Need},
    Spec,
};

pub(super) const SPEC: Spec = Spec {
    name: "subscriptions",
    noun: "subscription",
    about: "The subscriptions of vendors, one each. A vendor sells while it is `trialing` or `active` \
            and the period has not ended.",
    columns: &[
        Column::id("the id of the subscription"),
        Column::new(
            "vendor_store_id",
            Format::Id,
            Need::RequiredForNew,
            "the vendor; never changed once the subscription is there",
        ),
        Column::new(
            "status",
            Format::OneOf(&["trialing", "active", "past_due", "canceled", "paused"]),
            Need::RequiredForNew,
            "the state of the subscription",
        ),
        Column::new(
            "current_period_end",
            Format::Time,
            Need::RequiredForNew,
            "the end of the paid period",
        ),
    ],
    named_by: &[&["id"], &["vendor_store_id"]],
};
