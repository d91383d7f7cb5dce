//! Stores, and the gates for stores that want to buy or sell (`EligibleBuyer`, `EligibleVendor`).
//!
//! A **valid licence** is verified, issued by the store's own state, and not past its last day
//! (UTC), and the store itself is verified. An **active subscription** is trialing or active with
//! its period's end in the future.

use std::fmt;

use chrono::{DateTime, NaiveDate, Utc};

use super::{
    ids::{BuyerStoreId, StoreId, VendorStoreId},
    vendor_ineligible::VendorIneligible,
};

/// The side of the market on which a store is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, sqlx::Type)]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub enum StoreType {
    Buyer,
    Vendor,
}

/// The marketplace's verification of the people behind a store (KYC).
#[derive(Clone, Copy, Debug, PartialEq, Eq, sqlx::Type)]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub enum KycStatus {
    PendingVerification,
    Verified,
    Rejected,
    Expired,
    Suspended,
}

/// The marketplace's verification of a licence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, sqlx::Type)]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub enum LicenseStatus {
    Pending,
    Verified,
    Rejected,
    Expired,
}

/// The status of a vendor's subscription.
#[derive(Clone, Copy, Debug, PartialEq, Eq, sqlx::Type)]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub enum SubscriptionStatus {
    Trialing,
    Active,
    PastDue,
    Canceled,
    Paused,
}

/// A US state as two capitals, such as `OK`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UsState([u8; 2]);

impl UsState {
    /// Parses two ASCII capitals; anything else is `None`.
    pub fn parse(text: &str) -> Option<Self> {
        match text.as_bytes() {
            [a @ b'A'..=b'Z', b @ b'A'..=b'Z'] => Some(Self([*a, *b])),
            _ => None,
        }
    }
}

impl fmt::Display for UsState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", char::from(self.0[0]), char::from(self.0[1]))
    }
}

/// A licence, as far as the gates look at it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct License {
    pub issuing_state: UsState,
    pub status: LicenseStatus,
    /// The last day on which the licence is valid; `None` if it never ends.
    pub expires_on: Option<NaiveDate>,
}

/// A vendor's subscription, as far as the gates look at it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Subscription {
    pub status: SubscriptionStatus,
    /// The end of the paid period.
    pub current_period_end: DateTime<Utc>,
}

/// A store as the database has it. It has passed no gate yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Store {
    pub id: StoreId,
    pub store_type: StoreType,
    pub name: String,
    pub state: UsState,
    pub kyc_status: KycStatus,
    pub licenses: Vec<License>,
    /// `None` if the store has never had a subscription.
    pub subscription: Option<Subscription>,
}

impl Store {
    fn has_valid_license(&self, now: DateTime<Utc>) -> bool {
        let today = now.date_naive();
        self.kyc_status == KycStatus::Verified
            && self.licenses.iter().any(|license| {
                license.status == LicenseStatus::Verified
                    && license.issuing_state == self.state
                    && license.expires_on.is_none_or(|last_day| last_day >= today)
            })
    }

    fn has_active_subscription(&self, now: DateTime<Utc>) -> bool {
        self.subscription.is_some_and(|subscription| {
            matches!(
                subscription.status,
                SubscriptionStatus::Trialing | SubscriptionStatus::Active
            ) && subscription.current_period_end > now
        })
    }
}

/// A buyer that has passed the gate: a verified buyer store with a valid licence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EligibleBuyer {
    /// The store.
    pub id: BuyerStoreId,
    state: UsState,
}

/// The reason for which a store may not buy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BuyerIneligible {
    #[error("this store is not a buyer")]
    NotABuyer,
    #[error("this store is not verified, or has no valid licence in its own state")]
    LicenseInvalid,
}

impl EligibleBuyer {
    /// The gate for buyers.
    ///
    /// # Errors
    /// The first reason for which the store may not buy.
    pub fn admit(store: &Store, now: DateTime<Utc>) -> Result<Self, BuyerIneligible> {
        if store.store_type != StoreType::Buyer {
            return Err(BuyerIneligible::NotABuyer);
        }
        if !store.has_valid_license(now) {
            return Err(BuyerIneligible::LicenseInvalid);
        }
        Ok(Self {
            id: BuyerStoreId::new(store.id.uuid()),
            state: store.state,
        })
    }
}

/// A vendor that has passed the gate: it may sell to the buyer for which it was admitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EligibleVendor {
    /// The store.
    pub id: VendorStoreId,
}

impl EligibleVendor {
    /// The gate for vendors: a verified vendor store with a valid licence and an active
    /// subscription, in the buyer's state.
    ///
    /// # Errors
    /// All reasons for which the vendor may not sell to this buyer; never an empty list.
    pub fn admit(
        store: &Store,
        buyer: &EligibleBuyer,
        now: DateTime<Utc>,
    ) -> Result<Self, Vec<VendorIneligible>> {
        let licensed = store.store_type == StoreType::Vendor && store.has_valid_license(now);
        let reasons: Vec<_> = [
            (licensed, VendorIneligible::VendorLicenseInvalid),
            (
                store.has_active_subscription(now),
                VendorIneligible::VendorSubscriptionInactive,
            ),
            (
                store.state == buyer.state,
                VendorIneligible::VendorStateMismatch,
            ),
        ]
        .into_iter()
        .filter_map(|(holds, reason)| (!holds).then_some(reason))
        .collect();
        if reasons.is_empty() {
            Ok(Self {
                id: VendorStoreId::new(store.id.uuid()),
            })
        } else {
            Err(reasons)
        }
    }
}
