//! The buyers of a load test, beside those of the catalogue: one per cart, made when they are first
//! needed and used again by later tests. Pure.

use chrono::{DateTime, Months, Utc};
use serde_json::json;
use uuid::Uuid;

use catalogue::{
    db::bulk::{LicenseRow, MembershipRow, StoreRow, UserRow},
    seed,
};
use splitcart::domain::ids::{BuyerStoreId, UserId};

/// The state that the seed's buyers, and most of its vendors, are in.
pub const STATE: &str = "OK";

/// The seed of the ids of load tests, "load" in ASCII: no catalogue that anyone makes has it.
pub(super) const IDS: u64 = 0x6c6f_6164;

/// A buyer and its owner, by their number from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Buyer {
    number: u32,
    /// The owner.
    pub user_id: UserId,
    /// The store.
    pub store_id: BuyerStoreId,
}

impl Buyer {
    /// The one with this number, whether it exists already or not.
    pub fn number(number: u32) -> Self {
        Self {
            number,
            user_id: UserId::new(seed::buyer_user_id(IDS, number)),
            store_id: BuyerStoreId::new(seed::buyer_store_id(IDS, number)),
        }
    }

    pub(super) fn user(self) -> UserRow {
        UserRow {
            id: self.user_id.uuid(),
            email: format!("buyer-{}@loadtest.invalid", self.number),
            full_name: format!("Load test buyer {}", self.number),
        }
    }

    pub(super) fn store(self) -> StoreRow {
        StoreRow {
            id: self.store_id.uuid(),
            store_type: "buyer",
            name: format!("Load test store {}", self.number),
            state: STATE,
            kyc_status: "verified",
            address: json!({
                "line1": format!("{} Load Test Road", self.number),
                "line2": null,
                "city": "Tulsa",
                "state": STATE,
                "postal_code": "74101",
                "country": "US",
            }),
        }
    }

    pub(super) fn membership(self) -> MembershipRow {
        MembershipRow {
            id: Uuid::now_v7(),
            store_id: self.store_id.uuid(),
            user_id: self.user_id.uuid(),
            role: "owner",
            status: "active",
        }
    }

    /// Good for ten years, so that a database that is kept for tests stays of use.
    pub(super) fn license(self, now: DateTime<Utc>) -> LicenseRow {
        let today = now.date_naive();
        LicenseRow {
            id: Uuid::now_v7(),
            store_id: self.store_id.uuid(),
            number: format!("LOADTEST-{}", self.number),
            license_type: "dispensary",
            issuing_state: STATE,
            status: "verified",
            issued_on: today,
            expires_on: today + Months::new(120),
        }
    }
}
