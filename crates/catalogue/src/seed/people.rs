//! Users and their memberships: each buyer and each vendor has one owner, some buyers have a viewer.

use uuid::Uuid;

use splitcart::seed_ids::{
    Kind, buyer_store_id, buyer_user_id, row_id, vendor_store_id, vendor_user_id,
};

use super::{
    SeedPlan,
    dice::Dice,
    names,
    words::{FAMILY_NAMES, GIVEN_NAMES},
};
use crate::db::bulk::{MembershipRow, UserRow};

/// The user who owns buyer `n`.
pub fn owner(plan: &SeedPlan, n: u32) -> UserRow {
    let full_name = person(plan.seed, Kind::BuyerUser, n);
    let mailbox = full_name.to_lowercase().replace(' ', ".");
    UserRow {
        id: buyer_user_id(plan.seed, n),
        email: address(plan.seed, &mailbox, n),
        full_name,
    }
}

/// The user who may only look at what buyer `n` does; see [`SeedPlan::buyers_with_viewer`].
pub fn viewer(plan: &SeedPlan, n: u32) -> UserRow {
    UserRow {
        id: viewer_id(plan.seed, n),
        email: address(plan.seed, "accounts", n),
        full_name: person(plan.seed, Kind::ViewerUser, n),
    }
}

/// The user who owns vendor `n`.
pub fn vendor_owner(plan: &SeedPlan, n: u32) -> UserRow {
    UserRow {
        id: vendor_user_id(plan.seed, n),
        email: format!("sales@{}", names::host(&names::vendor_name(plan.seed, n))),
        full_name: person(plan.seed, Kind::VendorUser, n),
    }
}

/// The membership that makes [`vendor_owner`] the owner of vendor `n`.
pub fn vendor_membership(plan: &SeedPlan, n: u32) -> MembershipRow {
    MembershipRow {
        id: row_id(plan.seed, Kind::VendorMembership, n.into()),
        store_id: vendor_store_id(plan.seed, n),
        user_id: vendor_user_id(plan.seed, n),
        role: "owner",
        status: "active",
    }
}

/// The membership that makes [`owner`] the owner of buyer `n`.
pub fn owner_membership(plan: &SeedPlan, n: u32) -> MembershipRow {
    MembershipRow {
        id: row_id(plan.seed, Kind::OwnerMembership, n.into()),
        store_id: buyer_store_id(plan.seed, n),
        user_id: buyer_user_id(plan.seed, n),
        role: "owner",
        status: "active",
    }
}

/// The membership that lets [`viewer`] look at buyer `n`.
pub fn viewer_membership(plan: &SeedPlan, n: u32) -> MembershipRow {
    MembershipRow {
        id: row_id(plan.seed, Kind::ViewerMembership, n.into()),
        store_id: buyer_store_id(plan.seed, n),
        user_id: viewer_id(plan.seed, n),
        role: "viewer",
        status: "active",
    }
}

fn viewer_id(seed: u64, n: u32) -> Uuid {
    row_id(seed, Kind::ViewerUser, n.into())
}

fn person(seed: u64, kind: Kind, n: u32) -> String {
    let mut dice = Dice::new(seed, kind, n.into());
    format!("{} {}", dice.pick(&GIVEN_NAMES), dice.pick(&FAMILY_NAMES))
}

fn address(seed: u64, mailbox: &str, n: u32) -> String {
    format!("{mailbox}@{}", names::host(&names::buyer_name(seed, n)))
}
