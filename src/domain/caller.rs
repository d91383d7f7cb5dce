//! The caller: a person who acts for a store of which they are a member.

use chrono::{DateTime, Utc};

use super::{
    ids::{BuyerStoreId, VendorStoreId},
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

/// Why a caller may not do what they want.
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

/// An active member of a store whose role allows what is asked: made by [`Member::admit`] only.
/// Whether the store may buy is another question, and comes after the key of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Member<'a>(&'a Store);

impl<'a> Member<'a> {
    /// The gate for everything that a store has. `membership` is `None` where there is no such person,
    /// store or membership.
    ///
    /// # Errors
    /// The first reason why not.
    pub fn admit(membership: Option<&'a Membership>, access: Access) -> Result<Self, Forbidden> {
        let membership = membership.ok_or(Forbidden::NotAMember)?;
        if !membership.user_is_active || membership.status != MembershipStatus::Active {
            return Err(Forbidden::NotAMember);
        }
        if !membership.role.may(access) {
            return Err(Forbidden::RoleNotAllowed);
        }
        Ok(Self(&membership.store))
    }

    /// The gate for what a buyer has bought: it stays readable whatever has become of the store's
    /// licence, state or verification since.
    ///
    /// # Errors
    /// The store is not a buyer.
    pub fn of_buyer(self) -> Result<BuyerStoreId, Forbidden> {
        match self.0.store_type {
            StoreType::Buyer => Ok(BuyerStoreId::new(self.0.id.uuid())),
            StoreType::Vendor => Err(BuyerIneligible::NotABuyer.into()),
        }
    }

    /// The gate for the cart, for what a checkout would come to, and for buying.
    ///
    /// # Errors
    /// The first reason why the store may not buy.
    pub fn of_eligible_buyer(self, now: DateTime<Utc>) -> Result<EligibleBuyer, Forbidden> {
        Ok(EligibleBuyer::admit(self.0, now)?)
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
    /// The gate for who looks at orders: what was bought and what is to be fulfilled stay readable
    /// whatever has become of the store. `side` is `None` where the store's own side is meant.
    ///
    /// # Errors
    /// The first reason why not.
    pub fn admit(
        membership: Option<&Membership>,
        side: Option<StoreType>,
    ) -> Result<Self, Forbidden> {
        let member = Member::admit(membership, Access::Read)?;
        let store = member.0;
        match side.unwrap_or(store.store_type) {
            StoreType::Buyer => Ok(Self::Buyer(member.of_buyer()?)),
            StoreType::Vendor if store.store_type == StoreType::Vendor => {
                Ok(Self::Vendor(VendorStoreId::new(store.id.uuid())))
            }
            StoreType::Vendor => Err(Forbidden::NotAVendor),
        }
    }
}
