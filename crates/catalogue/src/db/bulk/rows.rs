//! One struct per table that can be loaded: what the application decides of a row. Timestamps of
//! creation are the database's. Nothing is decided or checked here; the table's constraints do
//! that.

use chrono::{DateTime, NaiveDate, Utc};
use rust_decimal::Decimal;
use serde_json::Value;
use uuid::Uuid;

use splitcart::domain::folding::Folded;

use super::{CopyRow, CopyText};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserRow {
    pub id: Uuid,
    pub email: String,
    pub full_name: String,
}

impl CopyRow for UserRow {
    const TABLE: &'static str = "users";
    const COLUMNS: &'static str = "id, email, email_folded, full_name";

    fn encode(&self, line: &mut CopyText) {
        line.field(self.id)
            .field(&self.email)
            .field(Folded::of(&self.email))
            .field(&self.full_name);
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreRow {
    pub id: Uuid,
    pub store_type: &'static str,
    pub name: String,
    pub state: &'static str,
    pub kyc_status: &'static str,
    pub address: Value,
}

impl CopyRow for StoreRow {
    const TABLE: &'static str = "stores";
    const COLUMNS: &'static str = "id, type, name, state, kyc_status, address";

    fn encode(&self, line: &mut CopyText) {
        line.field(self.id)
            .field(self.store_type)
            .field(&self.name)
            .field(self.state)
            .field(self.kyc_status)
            .field(&self.address);
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MembershipRow {
    pub id: Uuid,
    pub store_id: Uuid,
    pub user_id: Uuid,
    pub role: &'static str,
    pub status: &'static str,
}

impl CopyRow for MembershipRow {
    const TABLE: &'static str = "store_memberships";
    const COLUMNS: &'static str = "id, store_id, user_id, role, status";

    fn encode(&self, line: &mut CopyText) {
        line.field(self.id)
            .field(self.store_id)
            .field(self.user_id)
            .field(self.role)
            .field(self.status);
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LicenseRow {
    pub id: Uuid,
    pub store_id: Uuid,
    pub number: String,
    pub license_type: &'static str,
    pub issuing_state: &'static str,
    pub status: &'static str,
    pub issued_on: NaiveDate,
    pub expires_on: NaiveDate,
}

impl CopyRow for LicenseRow {
    const TABLE: &'static str = "licenses";
    const COLUMNS: &'static str =
        "id, store_id, number, type, issuing_state, status, issued_on, expires_on";

    fn encode(&self, line: &mut CopyText) {
        line.field(self.id)
            .field(self.store_id)
            .field(&self.number)
            .field(self.license_type)
            .field(self.issuing_state)
            .field(self.status)
            .field(self.issued_on)
            .field(self.expires_on);
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubscriptionRow {
    pub id: Uuid,
    pub vendor_store_id: Uuid,
    pub status: &'static str,
    pub current_period_end: DateTime<Utc>,
}

impl CopyRow for SubscriptionRow {
    const TABLE: &'static str = "subscriptions";
    const COLUMNS: &'static str = "id, vendor_store_id, status, current_period_end";

    fn encode(&self, line: &mut CopyText) {
        line.field(self.id)
            .field(self.vendor_store_id)
            .field(self.status)
            .field(self.current_period_end);
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProductRow {
    pub id: Uuid,
    pub vendor_store_id: Uuid,
    pub sku: String,
    pub title: String,
    pub category: &'static str,
    pub unit: &'static str,
    pub price: Decimal,
    pub moq: i32,
    pub max_qty: Option<i32>,
    pub buyer_limit: Option<BuyerLimit>,
}

/// The most that a buyer may buy of a product within a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BuyerLimit {
    pub qty: i32,
    pub days: i32,
}

impl CopyRow for ProductRow {
    const TABLE: &'static str = "products";
    const COLUMNS: &'static str = "id, vendor_store_id, sku, title, category, unit, price, moq, \
                                   max_qty, buyer_limit_qty, buyer_limit_days";

    fn encode(&self, line: &mut CopyText) {
        line.field(self.id)
            .field(self.vendor_store_id)
            .field(&self.sku)
            .field(&self.title)
            .field(self.category)
            .field(self.unit)
            .field(self.price)
            .field(self.moq)
            .nullable(self.max_qty)
            .nullable(self.buyer_limit.map(|limit| limit.qty))
            .nullable(self.buyer_limit.map(|limit| limit.days));
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VolumeTierRow {
    pub id: Uuid,
    pub product_id: Uuid,
    pub min_qty: i32,
    pub discount_percent: Decimal,
}

impl CopyRow for VolumeTierRow {
    const TABLE: &'static str = "product_volume_discounts";
    const COLUMNS: &'static str = "id, product_id, min_qty, discount_percent";

    fn encode(&self, line: &mut CopyText) {
        line.field(self.id)
            .field(self.product_id)
            .field(self.min_qty)
            .field(self.discount_percent);
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreDiscountRow {
    pub id: Uuid,
    pub vendor_store_id: Uuid,
    pub code: String,
    pub title: String,
    pub kind: &'static str,
    pub value: Decimal,
    pub min_subtotal: Decimal,
    pub starts_at: DateTime<Utc>,
    pub ends_at: Option<DateTime<Utc>>,
    pub is_active: bool,
}

impl CopyRow for StoreDiscountRow {
    const TABLE: &'static str = "store_discounts";
    const COLUMNS: &'static str = "id, vendor_store_id, code, code_folded, title, kind, value, \
                                   min_subtotal, starts_at, ends_at, is_active";

    fn encode(&self, line: &mut CopyText) {
        line.field(self.id)
            .field(self.vendor_store_id)
            .field(&self.code)
            .field(Folded::of(&self.code))
            .field(&self.title)
            .field(self.kind)
            .field(self.value)
            .field(self.min_subtotal)
            .field(self.starts_at)
            .nullable(self.ends_at)
            .field(self.is_active);
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InventoryItemRow {
    pub product_id: Uuid,
    pub vendor_store_id: Uuid,
    pub available_qty: i32,
    pub reserved_qty: i32,
    pub fulfilled_qty: i32,
    pub low_stock_threshold: i32,
}

impl CopyRow for InventoryItemRow {
    const TABLE: &'static str = "inventory_items";
    const COLUMNS: &'static str = "product_id, vendor_store_id, available_qty, reserved_qty, \
                                   fulfilled_qty, low_stock_threshold";

    fn encode(&self, line: &mut CopyText) {
        line.field(self.product_id)
            .field(self.vendor_store_id)
            .field(self.available_qty)
            .field(self.reserved_qty)
            .field(self.fulfilled_qty)
            .field(self.low_stock_threshold);
    }
}
