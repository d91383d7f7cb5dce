//! Builders in the words of the domain: stores, products, discounts, amounts.

use chrono::{DateTime, NaiveDate, Utc};
use rust_decimal::Decimal;
use uuid::Uuid;

use crate::domain::{
    cart::Totals,
    ids::{BuyerStoreId, ProductId, StoreId, VendorStoreId},
    money::{Money, Percent},
    pricing::{DiscountTerms, StoreDiscount},
    product::{Product, Unit, VolumeTier},
    purchase_limit::PurchaseLimit,
    store::{
        KycStatus, License, LicenseStatus, Store, StoreType, Subscription, SubscriptionStatus,
        UsState,
    },
    violation::{Violation, ViolationCode},
};

/// Noon of the day on which every test plays.
pub(super) fn now() -> DateTime<Utc> {
    at("2026-03-15T12:00:00Z")
}

pub(super) fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

pub(super) fn day(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

pub(super) fn money(text: &str) -> Money {
    text.parse().unwrap()
}

pub(super) fn cents(count: i128) -> Money {
    Money::rounded(Decimal::from_i128_with_scale(count, 2))
}

pub(super) fn in_cents(amount: Money) -> i128 {
    let mut decimal = amount.decimal();
    decimal.rescale(2);
    decimal.mantissa()
}

pub(super) fn percent(text: &str) -> Percent {
    Percent::new(text.parse().unwrap())
}

pub(super) fn tier(min_qty: i32, discount_percent: &str) -> VolumeTier {
    VolumeTier {
        min_qty,
        discount_percent: percent(discount_percent),
    }
}

pub(super) fn totals(subtotal: &str, discount_total: &str, total: &str) -> Totals {
    Totals {
        subtotal: money(subtotal),
        discount_total: money(discount_total),
        total: money(total),
    }
}

pub(super) fn us_state(text: &str) -> UsState {
    UsState::parse(text).unwrap()
}

pub(super) fn vendor_id(number: u32) -> VendorStoreId {
    VendorStoreId::new(Uuid::from_u128(0x1000_0000 + u128::from(number)))
}

pub(super) fn product_id(number: u32) -> ProductId {
    ProductId::new(Uuid::from_u128(0x2000_0000 + u128::from(number)))
}

pub(super) fn buyer_id() -> BuyerStoreId {
    BuyerStoreId::new(Uuid::from_u128(0x3000_0000))
}

fn store(id: StoreId, store_type: StoreType, name: String) -> Store {
    Store {
        id,
        store_type,
        name,
        state: us_state("OK"),
        kyc_status: KycStatus::Verified,
        licenses: vec![License {
            issuing_state: us_state("OK"),
            status: LicenseStatus::Verified,
            expires_on: None,
        }],
        subscription: None,
    }
}

/// A buyer in Oklahoma that may buy.
pub(super) fn buyer() -> Store {
    store(buyer_id().into(), StoreType::Buyer, "Buyer".to_owned())
}

/// A vendor in Oklahoma that may sell.
pub(super) fn vendor(number: u32) -> Store {
    store(
        vendor_id(number).into(),
        StoreType::Vendor,
        format!("Vendor {number}"),
    )
    .subscribed(SubscriptionStatus::Active, at("2026-04-01T00:00:00Z"))
}

/// A store differs from [`buyer`] or [`vendor`] by what is said here.
impl Store {
    /// The store and its licences.
    pub(super) fn seated_in(mut self, state: &str) -> Self {
        self.state = us_state(state);
        self.licensed_by(state)
    }

    pub(super) fn licensed_by(mut self, state: &str) -> Self {
        for license in &mut self.licenses {
            license.issuing_state = us_state(state);
        }
        self
    }

    pub(super) fn licensed_until(mut self, last_day: &str) -> Self {
        for license in &mut self.licenses {
            license.expires_on = Some(day(last_day));
        }
        self
    }

    pub(super) fn license_is(mut self, status: LicenseStatus) -> Self {
        for license in &mut self.licenses {
            license.status = status;
        }
        self
    }

    pub(super) fn unlicensed(mut self) -> Self {
        self.licenses.clear();
        self
    }

    pub(super) fn known_as(mut self, kyc_status: KycStatus) -> Self {
        self.kyc_status = kyc_status;
        self
    }

    pub(super) fn subscribed(mut self, status: SubscriptionStatus, until: DateTime<Utc>) -> Self {
        self.subscription = Some(Subscription {
            status,
            current_period_end: until,
        });
        self
    }

    pub(super) fn unsubscribed(mut self) -> Self {
        self.subscription = None;
        self
    }
}

/// Vendor 1's product at 10.00, of which there are 1,000.
pub(super) fn product(number: u32) -> Product {
    Product {
        id: product_id(number),
        vendor_store_id: vendor_id(1),
        sku: format!("SKU-{number}"),
        title: format!("Product {number}"),
        unit: Unit::Unit,
        image_url: None,
        price: money("10.00"),
        moq: 1,
        max_qty: None,
        purchase_limit: None,
        is_active: true,
        tiers: Vec::new(),
        available_qty: 1_000,
    }
}

impl Product {
    pub(super) fn sold_by(mut self, vendor: u32) -> Self {
        self.vendor_store_id = vendor_id(vendor);
        self
    }

    pub(super) fn priced(mut self, price: &str) -> Self {
        self.price = money(price);
        self
    }

    pub(super) fn with_tier(mut self, min_qty: i32, discount_percent: &str) -> Self {
        self.tiers.push(tier(min_qty, discount_percent));
        self
    }

    pub(super) fn limited_to(mut self, qty: i32, days: Option<i32>) -> Self {
        self.purchase_limit = Some(PurchaseLimit { qty, days });
        self
    }

    pub(super) fn with_moq(mut self, moq: i32) -> Self {
        self.moq = moq;
        self
    }

    pub(super) fn capped_at(mut self, max_qty: i32) -> Self {
        self.max_qty = Some(max_qty);
        self
    }

    pub(super) fn stocked(mut self, available_qty: i32) -> Self {
        self.available_qty = available_qty;
        self
    }

    pub(super) fn withdrawn(mut self) -> Self {
        self.is_active = false;
        self
    }
}

/// A vendor's discount of 10 % on everything, always.
pub(super) fn discount(vendor: u32, code: &str) -> StoreDiscount {
    StoreDiscount {
        vendor_store_id: vendor_id(vendor),
        code: code.to_owned(),
        title: format!("Discount {code}"),
        terms: DiscountTerms::Percentage(percent("10")),
        min_subtotal: Money::ZERO,
        starts_at: at("2026-01-01T00:00:00Z"),
        ends_at: None,
        is_active: true,
    }
}

impl StoreDiscount {
    pub(super) fn of_percent(mut self, share: &str) -> Self {
        self.terms = DiscountTerms::Percentage(percent(share));
        self
    }

    pub(super) fn of_amount(mut self, amount: &str) -> Self {
        self.terms = DiscountTerms::Fixed(money(amount));
        self
    }

    pub(super) fn starting(mut self, starts_at: DateTime<Utc>) -> Self {
        self.starts_at = starts_at;
        self
    }

    pub(super) fn ending(mut self, ends_at: DateTime<Utc>) -> Self {
        self.ends_at = Some(ends_at);
        self
    }

    pub(super) fn needing(mut self, min_subtotal: &str) -> Self {
        self.min_subtotal = money(min_subtotal);
        self
    }

    pub(super) fn switched_off(mut self) -> Self {
        self.is_active = false;
        self
    }
}

/// A violation at a place of the request.
pub(super) fn violation(code: ViolationCode, path: &str) -> Violation {
    Violation::new(code, path)
}
