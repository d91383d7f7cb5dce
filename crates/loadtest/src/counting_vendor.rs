//! The vendor whose stock is counted beside the load: made when it is first needed, and used again by later
//! tests. It has no licence and no subscription, which it needs only to sell. Pure.

use serde_json::json;
use uuid::Uuid;

use catalogue::{
    db::bulk::{InventoryItemRow, MembershipRow, ProductRow, StoreRow, UserRow},
    seed,
};
use rust_decimal::Decimal;
use splitcart::domain::ids::VendorStoreId;

use super::buyers::{IDS, STATE};

/// The number of the vendor in the ids of load tests.
const NUMBER: u32 = 1;

/// The vendor's store.
pub fn store_id() -> VendorStoreId {
    VendorStoreId::new(seed::vendor_store_id(IDS, NUMBER))
}

/// The owner.
pub fn user_id() -> Uuid {
    seed::vendor_user_id(IDS, NUMBER)
}

/// Product `number`, from 1.
pub fn product_id(number: u32) -> Uuid {
    seed::product_id(IDS, number)
}

pub fn user() -> UserRow {
    UserRow {
        id: user_id(),
        email: "counting-vendor@loadtest.invalid".to_owned(),
        full_name: "Load test vendor".to_owned(),
    }
}

pub fn store() -> StoreRow {
    StoreRow {
        id: store_id().uuid(),
        store_type: "vendor",
        name: "Load test vendor that counts its stock".to_owned(),
        state: STATE,
        kyc_status: "verified",
        address: json!({
            "line1": "1 Load Test Road",
            "line2": null,
            "city": "Tulsa",
            "state": STATE,
            "postal_code": "74101",
            "country": "US",
        }),
    }
}

pub fn membership() -> MembershipRow {
    MembershipRow {
        id: Uuid::now_v7(),
        store_id: store_id().uuid(),
        user_id: user_id(),
        role: "owner",
        status: "active",
    }
}

pub fn product(number: u32) -> ProductRow {
    ProductRow {
        id: product_id(number),
        vendor_store_id: store_id().uuid(),
        sku: format!("COUNTED-{number:06}"),
        title: format!("Counted product {number}"),
        category: "flower",
        unit: "unit",
        price: Decimal::new(1_000, 2),
        moq: 1,
        max_qty: None,
        buyer_limit: None,
    }
}

pub fn inventory_item(number: u32) -> InventoryItemRow {
    InventoryItemRow {
        product_id: product_id(number),
        vendor_store_id: store_id().uuid(),
        available_qty: 0,
        reserved_qty: 0,
        fulfilled_qty: 0,
        low_stock_threshold: 0,
    }
}
