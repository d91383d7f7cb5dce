//! Stores with what entitles them to trade: licences and subscriptions.
//!
//! A few vendors may not sell, by their number, so that a demo shows refusals and everyone knows
//! where: every 20th is in a neighbouring state, every 25th has a licence that ran out last month,
//! every 30th has not paid its subscription. Vendors 1 to 19 may always sell, and buyers may always
//! buy.

use chrono::{DateTime, Days, Months, NaiveDate, Utc};
use serde_json::{Value, json};

use splitcart::seed_ids::{Kind, buyer_store_id, row_id, vendor_store_id};

use super::{
    SeedPlan,
    dice::Dice,
    names,
    words::{NEIGHBOURS, OKLAHOMA, STREETS},
};
use crate::db::bulk::{LicenseRow, StoreRow, SubscriptionRow};

const OUT_OF_STATE_EVERY: u32 = 20;
const LICENSE_EXPIRED_EVERY: u32 = 25;
const PAST_DUE_EVERY: u32 = 30;

/// The validity of a licence.
const LICENSE_TERM: Months = Months::new(24);

/// The business that a vendor is licensed for; it decides the products that the vendor sells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trade {
    Grower,
    Producer,
    Distributor,
}

/// The store of buyer `n`.
pub fn buyer_store(plan: &SeedPlan, n: u32) -> StoreRow {
    let mut dice = Dice::new(plan.seed, Kind::BuyerStore, n.into());
    let (city, postal_code) = dice.pick(&OKLAHOMA);
    StoreRow {
        id: buyer_store_id(plan.seed, n),
        store_type: "buyer",
        name: names::buyer_name(plan.seed, n),
        state: "OK",
        kyc_status: "verified",
        address: address(&mut dice, city, "OK", postal_code),
    }
}

/// The store of vendor `n`.
pub fn vendor_store(plan: &SeedPlan, n: u32) -> StoreRow {
    let mut dice = Dice::new(plan.seed, Kind::VendorStore, n.into());
    let (state, city, postal_code) = vendor_place(&mut dice, n);
    StoreRow {
        id: vendor_store_id(plan.seed, n),
        store_type: "vendor",
        name: names::vendor_name(plan.seed, n),
        state,
        kyc_status: "verified",
        address: address(&mut dice, city, state, postal_code),
    }
}

/// The dispensary licence of buyer `n`.
pub fn buyer_license(plan: &SeedPlan, n: u32, now: DateTime<Utc>) -> LicenseRow {
    let mut dice = Dice::new(plan.seed, Kind::BuyerLicense, n.into());
    let expires_on = future_last_day(&mut dice, now);
    LicenseRow {
        id: row_id(plan.seed, Kind::BuyerLicense, n.into()),
        store_id: buyer_store_id(plan.seed, n),
        number: license_number(plan.seed, 'D', "OK", n),
        license_type: "dispensary",
        issuing_state: "OK",
        status: "verified",
        issued_on: expires_on - LICENSE_TERM,
        expires_on,
    }
}

/// The licence of vendor `n`, issued by the state that the vendor is in.
pub fn vendor_license(plan: &SeedPlan, n: u32, now: DateTime<Utc>) -> LicenseRow {
    let mut dice = Dice::new(plan.seed, Kind::VendorLicense, n.into());
    let state = vendor_store_state(plan, n);
    let (letter, license_type) = match trade(plan, n) {
        Trade::Grower => ('G', "grower"),
        Trade::Producer => ('P', "producer"),
        Trade::Distributor => ('T', "distributor"),
    };
    let expires_on = if n.is_multiple_of(LICENSE_EXPIRED_EVERY) {
        now.date_naive() - Months::new(1)
    } else {
        future_last_day(&mut dice, now)
    };
    LicenseRow {
        id: row_id(plan.seed, Kind::VendorLicense, n.into()),
        store_id: vendor_store_id(plan.seed, n),
        number: license_number(plan.seed, letter, state, n),
        license_type,
        issuing_state: state,
        status: "verified",
        issued_on: expires_on - LICENSE_TERM,
        expires_on,
    }
}

/// The subscription of vendor `n`.
pub fn subscription(plan: &SeedPlan, n: u32, now: DateTime<Utc>) -> SubscriptionRow {
    let mut dice = Dice::new(plan.seed, Kind::Subscription, n.into());
    let (status, current_period_end) = if n.is_multiple_of(PAST_DUE_EVERY) {
        ("past_due", now - days(&mut dice, 2, 12))
    } else if dice.one_in(10) {
        ("trialing", now + Months::new(1))
    } else {
        ("active", now + Months::new(1) + days(&mut dice, 0, 330))
    };
    SubscriptionRow {
        id: row_id(plan.seed, Kind::Subscription, n.into()),
        vendor_store_id: vendor_store_id(plan.seed, n),
        status,
        current_period_end,
    }
}

/// The business that vendor `n` is licensed for.
pub(super) fn trade(plan: &SeedPlan, n: u32) -> Trade {
    // A stream of its own: whoever asks for a product of this vendor needs this face and no other.
    match Dice::new(plan.seed, Kind::Trade, n.into()).below(8) {
        0..3 => Trade::Grower,
        3..6 => Trade::Producer,
        _ => Trade::Distributor,
    }
}

fn vendor_place(dice: &mut Dice, n: u32) -> (&'static str, &'static str, &'static str) {
    if n.is_multiple_of(OUT_OF_STATE_EVERY) {
        return dice.pick(&NEIGHBOURS);
    }
    let (city, postal_code) = dice.pick(&OKLAHOMA);
    ("OK", city, postal_code)
}

fn vendor_store_state(plan: &SeedPlan, n: u32) -> &'static str {
    let mut dice = Dice::new(plan.seed, Kind::VendorStore, n.into());
    vendor_place(&mut dice, n).0
}

fn address(dice: &mut Dice, city: &str, state: &str, postal_code: &str) -> Value {
    let number = dice.between(100, 9_899);
    json!({
        "line1": format!("{number} {}", dice.pick(&STREETS)),
        "line2": null,
        "city": city,
        "state": state,
        "postal_code": postal_code,
        "country": "US",
    })
}

/// Oklahoma numbers its licences by what they allow; the state tells the neighbours' licences apart.
fn license_number(seed: u64, letter: char, state: &str, n: u32) -> String {
    let digits = names::license_digits(seed, letter, n);
    if state == "OK" {
        format!("{letter}AAA-{digits}")
    } else {
        format!("{state}{letter}-{digits}")
    }
}

/// Two to twenty-four months ahead.
fn future_last_day(dice: &mut Dice, now: DateTime<Utc>) -> NaiveDate {
    now.date_naive() + Months::new(2) + days(dice, 0, 660)
}

fn days(dice: &mut Dice, least: u32, greatest: u32) -> Days {
    Days::new(dice.between(least, greatest).into())
}
