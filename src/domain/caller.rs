//! Callers: persons who act for a store of which they are members, and the gates that they pass.

use chrono::{DateTime, Utc};

use super::{
    ids::{BuyerStoreId, StoreId, VendorStoreId},
    store::{BuyerIneligible, EligibleBuyer, Store, StoreType},
};

/// The role of a member in a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, sqlx::Type)]
#[sqlx(type_name = "text", rename_all = "snake_case")]
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
            Access::Administer => matches!(self, Self::Owner | Self::Admin),
        }
    }
}

/// The status of a membership.
#[derive(Clone, Copy, Debug, PartialEq, Eq, sqlx::Type)]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub enum MembershipStatus {
    Invited,
    Active,
    Removed,
}

/// The kind of access that a caller wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// To look at carts, orders and stock.
    Read,
    /// To change any of them.
    Change,
    /// To say where the store's events are sent.
    Administer,
}

/// A person's membership in a store, as the database has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Membership {
    pub user_is_active: bool,
    pub role: Role,
    pub status: MembershipStatus,
    pub store: Store,
}

/// The reason for which a caller may not do what they want.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Forbidden {
    #[error("the token names no active store; choose a store and get a new token")]
    NoActiveStore,
    #[error("you are not an active member of this store")]
    NotAMember,
    #[error("your role may look but change nothing")]
    RoleNotAllowed,
    #[error("only an owner or admin of the store may do this")]
    NotAnAdministrator,
    #[error(transparent)]
    StoreMayNotBuy(#[from] BuyerIneligible),
    #[error("this store is not a vendor")]
    NotAVendor,
    #[error("only the order's vendor may do this")]
    NotTheVendorOfTheOrder,
    #[error("only the order's buyer may do this")]
    NotTheBuyerOfTheOrder,
}

/// An active member of a store whose role allows what is asked: made by [`Member::admit`] only.
///
/// A member's store may still be barred from buying: that is checked later, after the key of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Member<'a>(&'a Store);

impl<'a> Member<'a> {
    /// The gate for everything that a store has. `membership` is `None` if there is no such person, store
    /// or membership.
    ///
    /// # Errors
    /// The first reason against it.
    pub fn admit(membership: Option<&'a Membership>, access: Access) -> Result<Self, Forbidden> {
        let membership = membership.ok_or(Forbidden::NotAMember)?;
        if !membership.user_is_active || membership.status != MembershipStatus::Active {
            return Err(Forbidden::NotAMember);
        }
        if !membership.role.may(access) {
            return Err(match access {
                Access::Administer => Forbidden::NotAnAdministrator,
                Access::Read | Access::Change => Forbidden::RoleNotAllowed,
            });
        }
        Ok(Self(&membership.store))
    }

    /// The store, whichever side it is on.
    pub fn store_id(self) -> StoreId {
        self.0.id
    }

    /// The gate for what a buyer has bought, which stays readable whatever has become of the store's
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

    /// The gate for what a vendor does with its stock and its orders, whatever has become of the store's
    /// licence or subscription: what was sold is to be handled.
    ///
    /// # Errors
    /// The store is not a vendor.
    pub fn of_vendor(self) -> Result<VendorStoreId, Forbidden> {
        match self.0.store_type {
            StoreType::Vendor => Ok(VendorStoreId::new(self.0.id.uuid())),
            StoreType::Buyer => Err(Forbidden::NotAVendor),
        }
    }

    /// The gate for the cart, for previews, and for buying.
    ///
    /// # Errors
    /// The first reason for which the store may not buy.
    pub fn of_eligible_buyer(self, now: DateTime<Utc>) -> Result<EligibleBuyer, Forbidden> {
        Ok(EligibleBuyer::admit(self.0, now)?)
    }
}

/// The side from which a member sees orders: those that the store has placed, or those that it is to
/// fulfil.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Perspective {
    /// The orders that this buyer has placed.
    Buyer(BuyerStoreId),
    /// The orders that this vendor is to fulfil.
    Vendor(VendorStoreId),
}

impl Perspective {
    /// The gate for looking at orders, which stay readable whatever has become of the store. `side` is
    /// `None` if the store's own side is meant.
    ///
    /// # Errors
    /// The first reason against it.
    pub fn admit(
        membership: Option<&Membership>,
        side: Option<StoreType>,
    ) -> Result<Self, Forbidden> {
        let member = Member::admit(membership, Access::Read)?;
        let store = member.0;
        match side.unwrap_or(store.store_type) {
            StoreType::Buyer => Ok(Self::Buyer(member.of_buyer()?)),
            StoreType::Vendor => Ok(Self::Vendor(member.of_vendor()?)),
        }
    }
}
