//! The gates for stores that want to buy or sell.

use proptest::prelude::*;

use super::support::{at, buyer, day, now, us_state, vendor, vendor_id};
use crate::domain::{
    ids::StoreId,
    store::{
        BuyerIneligible, EligibleBuyer, EligibleVendor, KycStatus, License, LicenseStatus, Store,
        StoreType, SubscriptionStatus, UsState,
    },
    vendor_ineligible::VendorIneligible,
};

/// The reasons for which a vendor may not sell to an Oklahoma buyer; empty if it may.
fn ineligible(vendor: &Store) -> Vec<VendorIneligible> {
    let buyer = EligibleBuyer::admit(&buyer(), now()).unwrap();
    EligibleVendor::admit(vendor, &buyer, now())
        .err()
        .unwrap_or_default()
}

/// PF-075: a buyer with a valid licence.
#[test]
fn a_verified_buyer_with_a_licence_of_its_state_may_buy() {
    let eligible = EligibleBuyer::admit(&buyer(), now()).unwrap();
    assert_eq!(StoreId::from(eligible.id), buyer().id);
}

/// PF-075: a vendor with a valid licence and an active subscription.
#[test]
fn a_verified_vendor_with_licence_and_subscription_may_sell() {
    let buyer = EligibleBuyer::admit(&buyer(), now()).unwrap();
    let eligible = EligibleVendor::admit(&vendor(1), &buyer, now()).unwrap();
    assert_eq!(eligible.id, vendor_id(1));
}

/// PF-078: buyer vs vendor store.
#[test]
fn a_vendor_store_may_not_buy() {
    let refused = EligibleBuyer::admit(&vendor(1), now());
    assert_eq!(refused, Err(BuyerIneligible::NotABuyer));
}

/// PF-078: buyer vs vendor store. What a buyer store holds is no licence to sell.
#[test]
fn a_buyer_store_may_not_sell() {
    let mut store = vendor(1);
    store.store_type = StoreType::Buyer;
    assert_eq!(ineligible(&store), [VendorIneligible::VendorLicenseInvalid]);
}

#[test]
fn a_store_that_is_not_verified_may_not_trade() {
    for kyc_status in [
        KycStatus::PendingVerification,
        KycStatus::Rejected,
        KycStatus::Expired,
        KycStatus::Suspended,
    ] {
        assert_eq!(
            EligibleBuyer::admit(&buyer().known_as(kyc_status), now()),
            Err(BuyerIneligible::LicenseInvalid),
            "{kyc_status:?}"
        );
        assert_eq!(
            ineligible(&vendor(1).known_as(kyc_status)),
            [VendorIneligible::VendorLicenseInvalid],
            "{kyc_status:?}"
        );
    }
}

#[test]
fn a_licence_that_is_not_verified_is_none() {
    for status in [
        LicenseStatus::Pending,
        LicenseStatus::Rejected,
        LicenseStatus::Expired,
    ] {
        assert_eq!(
            EligibleBuyer::admit(&buyer().license_is(status), now()),
            Err(BuyerIneligible::LicenseInvalid),
            "{status:?}"
        );
        assert_eq!(
            ineligible(&vendor(1).license_is(status)),
            [VendorIneligible::VendorLicenseInvalid],
            "{status:?}"
        );
    }
}

#[test]
fn a_store_without_a_licence_may_not_trade() {
    assert_eq!(
        EligibleBuyer::admit(&buyer().unlicensed(), now()),
        Err(BuyerIneligible::LicenseInvalid)
    );
    assert_eq!(
        ineligible(&vendor(1).unlicensed()),
        [VendorIneligible::VendorLicenseInvalid]
    );
}

#[test]
fn a_licence_of_another_state_than_the_stores_is_none() {
    assert_eq!(
        EligibleBuyer::admit(&buyer().licensed_by("TX"), now()),
        Err(BuyerIneligible::LicenseInvalid)
    );
    assert_eq!(
        ineligible(&vendor(1).licensed_by("TX")),
        [VendorIneligible::VendorLicenseInvalid]
    );
}

#[test]
fn the_last_day_of_a_licence_still_counts_in_utc() {
    let store = buyer().licensed_until("2026-03-15");
    for (time, holds) in [
        ("2026-03-15T00:00:00Z", true),
        ("2026-03-15T23:59:59.999999Z", true),
        ("2026-03-16T00:00:00Z", false),
        // Still the 15th where this was written, but the 16th in UTC.
        ("2026-03-15T19:30:00-05:00", false),
        // Already the 16th where this was written, but the 15th in UTC.
        ("2026-03-16T08:00:00+09:00", true),
    ] {
        assert_eq!(
            EligibleBuyer::admit(&store, at(time)).is_ok(),
            holds,
            "{time}"
        );
    }
}

#[test]
fn one_valid_licence_among_invalid_ones_is_enough() {
    let mut store = buyer().licensed_until("2020-12-31");
    store.licenses.push(License {
        issuing_state: us_state("OK"),
        status: LicenseStatus::Verified,
        expires_on: Some(day("2026-12-31")),
    });
    assert!(EligibleBuyer::admit(&store, now()).is_ok());
}

#[test]
fn two_licences_that_are_half_valid_do_not_make_a_whole_one() {
    let mut store = buyer().licensed_until("2020-12-31");
    store.licenses.push(License {
        issuing_state: us_state("TX"),
        status: LicenseStatus::Verified,
        expires_on: None,
    });
    assert_eq!(
        EligibleBuyer::admit(&store, now()),
        Err(BuyerIneligible::LicenseInvalid)
    );
}

#[test]
fn a_subscription_that_is_neither_trialing_nor_active_is_none() {
    let until = at("2026-04-01T00:00:00Z");
    for (status, holds) in [
        (SubscriptionStatus::Trialing, true),
        (SubscriptionStatus::Active, true),
        (SubscriptionStatus::PastDue, false),
        (SubscriptionStatus::Canceled, false),
        (SubscriptionStatus::Paused, false),
    ] {
        let reasons = ineligible(&vendor(1).subscribed(status, until));
        if holds {
            assert_eq!(reasons, [], "{status:?}");
        } else {
            assert_eq!(
                reasons,
                [VendorIneligible::VendorSubscriptionInactive],
                "{status:?}"
            );
        }
    }
}

#[test]
fn a_vendor_without_a_subscription_may_not_sell() {
    assert_eq!(
        ineligible(&vendor(1).unsubscribed()),
        [VendorIneligible::VendorSubscriptionInactive]
    );
}

#[test]
fn a_subscription_is_over_at_the_very_instant_its_period_ends() {
    let until = |time| vendor(1).subscribed(SubscriptionStatus::Active, at(time));
    assert_eq!(
        ineligible(&until("2026-03-15T12:00:00Z")),
        [VendorIneligible::VendorSubscriptionInactive]
    );
    assert_eq!(ineligible(&until("2026-03-15T12:00:00.000001Z")), []);
}

/// PF-078: state match.
#[test]
fn a_vendor_of_another_state_may_not_sell() {
    assert_eq!(
        ineligible(&vendor(1).seated_in("TX")),
        [VendorIneligible::VendorStateMismatch]
    );
}

#[test]
fn all_reasons_against_a_vendor_come_at_once_and_in_order() {
    assert_eq!(
        ineligible(&vendor(1).seated_in("TX").unlicensed().unsubscribed()),
        [
            VendorIneligible::VendorLicenseInvalid,
            VendorIneligible::VendorSubscriptionInactive,
            VendorIneligible::VendorStateMismatch,
        ]
    );
}

#[test]
fn a_state_is_two_capitals() {
    assert_eq!(us_state("OK").to_string(), "OK");
    for text in ["", "O", "ok", "Ok", "OKL", "O1", "ÖK", " O"] {
        assert_eq!(UsState::parse(text), None, "{text:?}");
    }
}

proptest! {
    #[test]
    fn a_store_whose_licence_ended_before_today_never_trades(
        days in 1_u64..5_000,
    ) {
        let ended = now().date_naive() - chrono::Days::new(days);
        let store = buyer().licensed_until(&ended.to_string());
        prop_assert!(EligibleBuyer::admit(&store, now()).is_err());
    }
}
