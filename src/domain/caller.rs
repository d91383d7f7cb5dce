//! Who is calling: a person, acting for a store whose member he or she is.

use chrono::{DateTime, Utc};

use super::{
    ids::{BuyerStoreId, UserId, VendorStoreId},
    store::{BuyerIneligible, EligibleBuyer, Store, StoreType},
};

/// What a member is to a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, sqlx::Type)]
#[sqlx(type_name = "text", rename_all = "snake_case")]
#[expect(missing_docs, reason = "the names say it")]
pub enum Role {
    Owner,
    Admin,
    Manager,
    Ops,
    Staff,
    Viewer,
}

impl Role {
    const fn may(self, access: Access) -> bool {
        match access {
            Access::Read => true,
            Access::Change => !matches!(self, Self::Staff | Self::Viewer),
        }
    }
}

/// Where a membership stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, sqlx::Type)]
#[sqlx(type_name = "text", rename_all = "snake_case")]
#[expect(missing_docs, reason = "the names say it")]
pub enum MembershipStatus {
    Invited,
    Active,
    Removed,
}

/// What a caller wants to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Look at carts and orders.
    Read,
    /// Change the cart and check out.
    Change,
}

/// What the database says about a person and a store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Membership {
    /// Whether the person's account is active.
    pub user_is_active: bool,
    /// What the person is to the store.
    pub role: Role,
    /// Where the membership stands.
    pub status: MembershipStatus,
    /// The store.
    pub store: Store,
}

/// Why a caller may not do what he or she wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say it")]
pub enum Forbidden {
    #[error("the token names no active store; choose a store and get a new token")]
    NoActiveStore,
    #[error("you are not an active member of this store")]
    NotAMember,
    #[error("your role may look but not change the cart or check out")]
    RoleNotAllowed,
    #[error(transparent)]
    StoreMayNotBuy(#[from] BuyerIneligible),
    #[error("this store is not a vendor")]
    NotAVendor,
}

/// A person who may act for a buyer: made by [`Caller::admit`] only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Caller {
    /// The person.
    pub user_id: UserId,
    /// The store.
    pub buyer: EligibleBuyer,
}

impl Caller {
    /// The gate for callers. `membership` is `None` where there is no such person, store or
    /// membership.
    ///
    /// # Errors
    /// The first reason why not.
    pub fn admit(
        user_id: UserId,
        membership: Option<&Membership>,
        access: Access,
        now: DateTime<Utc>,
    ) -> Result<Self, Forbidden> {
        let store = store_of_member(membership, access)?;
        let buyer = EligibleBuyer::admit(store, now)?;
        Ok(Self { user_id, buyer })
    }
}

/// Whose orders a member sees: those that the store has placed, or those that it is to fulfil.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Perspective {
    /// The buyer's.
    Buyer(BuyerStoreId),
    /// The vendor's.
    Vendor(VendorStoreId),
}

impl Perspective {
    /// The gate for who looks at orders: a buyer must pass the buyers' gate; a vendor sees its orders
    /// whatever has become of its licence, because they are still to be fulfilled. `side` is `None`
    /// where the store's own side is meant.
    ///
    /// # Errors
    /// The first reason why not.
    pub fn admit(
        membership: Option<&Membership>,
        side: Option<StoreType>,
        now: DateTime<Utc>,
    ) -> Result<Self, Forbidden> {
        let store = store_of_member(membership, Access::Read)?;
        match side.unwrap_or(store.store_type) {
            StoreType::Buyer => Ok(Self::Buyer(EligibleBuyer::admit(store, now)?.id)),
            StoreType::Vendor if store.store_type == StoreType::Vendor => {
                Ok(Self::Vendor(VendorStoreId::new(store.id.uuid())))
            }
            StoreType::Vendor => Err(Forbidden::NotAVendor),
        }
    }
}

fn store_of_member(membership: Option<&Membership>, access: Access) -> Result<&Store, Forbidden> {
    let membership = membership.ok_or(Forbidden::NotAMember)?;
    if !membership.user_is_active || membership.status != MembershipStatus::Active {
        return Err(Forbidden::NotAMember);
    }
    if !membership.role.may(access) {
        return Err(Forbidden::RoleNotAllowed);
    }
    Ok(&membership.store)
}
