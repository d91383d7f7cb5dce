//! Rules that hold across the rows of a whole catalogue.

use std::collections::HashSet;

use chrono::{DateTime, Months, TimeZone, Utc};

use super::*;
use crate::db::bulk::{LicenseRow, StoreRow, SubscriptionRow};

const PLAN: SeedPlan = SeedPlan {
    vendors: 400,
    products: 5_000,
    buyers: 5_000,
    orders: 0,
    seed: 1,
};

fn now() -> DateTime<Utc> {
    Utc.with_ymd_and_hms(2026, 3, 31, 12, 0, 0).unwrap()
}

/// The rule of `domain::store`, spelled out for the three rows it looks at.
fn may_sell(store: &StoreRow, license: &LicenseRow, subscription: &SubscriptionRow) -> bool {
    store.state == "OK"
        && store.kyc_status == "verified"
        && license.status == "verified"
        && license.issuing_state == store.state
        && license.expires_on >= now().date_naive()
        && matches!(subscription.status, "trialing" | "active")
        && subscription.current_period_end > now()
}

#[test]
fn the_same_plan_makes_the_same_rows() {
    for n in 1..=400 {
        let again = PLAN;
        assert_eq!(owner(&PLAN, n), owner(&again, n));
        assert_eq!(vendor_store(&PLAN, n), vendor_store(&again, n));
        assert_eq!(product(&PLAN, n), product(&again, n));
        assert!(volume_tiers(&PLAN, n).eq(volume_tiers(&again, n)));
        assert!(store_discounts(&PLAN, n, now()).eq(store_discounts(&again, n, now())));
        assert_eq!(inventory_item(&PLAN, n), inventory_item(&again, n));
    }
}

#[test]
fn another_seed_makes_another_catalogue_under_other_ids() {
    let other = SeedPlan { seed: 2, ..PLAN };
    let titles = |plan: SeedPlan| (1..=50).map(move |n| product(&plan, n).title);
    assert!(titles(PLAN).ne(titles(other)));
    assert_ne!(vendor_store(&PLAN, 1).name, vendor_store(&other, 1).name);
    for n in 1..=400 {
        assert_ne!(owner(&PLAN, n).id, owner(&other, n).id);
        assert_ne!(product(&PLAN, n).id, product(&other, n).id);
    }
}

#[test]
fn what_must_be_unique_is_unique() {
    let unique = |texts: Vec<String>| {
        let count = texts.len();
        assert_eq!(texts.into_iter().collect::<HashSet<_>>().len(), count);
    };
    let plan = SeedPlan {
        vendors: 5_000,
        ..PLAN
    };
    let all = || 1..=5_000;
    let viewers = plan.buyers_with_viewer().map(|n| viewer(&plan, n).email);
    unique(
        all()
            .map(|n| owner(&plan, n).email)
            .chain(viewers)
            .chain(all().map(|n| vendor_owner(&plan, n).email))
            .collect(),
    );
    unique(all().map(|n| product(&plan, n).sku).collect());
    let buyers = all().map(|n| buyer_store(&plan, n).name);
    unique(
        buyers
            .chain(all().map(|n| vendor_store(&plan, n).name))
            .collect(),
    );
    let buyers = all().map(|n| buyer_license(&plan, n, now()).number);
    unique(
        buyers
            .chain(all().map(|n| vendor_license(&plan, n, now()).number))
            .collect(),
    );
}

#[test]
fn the_ids_of_all_tables_are_distinct() {
    let ids: Vec<_> = (1..=400)
        .flat_map(|n| {
            [
                owner(&PLAN, n).id,
                viewer(&PLAN, n).id,
                vendor_owner(&PLAN, n).id,
                vendor_membership(&PLAN, n).id,
                buyer_store(&PLAN, n).id,
                vendor_store(&PLAN, n).id,
                owner_membership(&PLAN, n).id,
                viewer_membership(&PLAN, n).id,
                buyer_license(&PLAN, n, now()).id,
                vendor_license(&PLAN, n, now()).id,
                subscription(&PLAN, n, now()).id,
                product(&PLAN, n).id,
            ]
        })
        .chain((1..=400).flat_map(|n| volume_tiers(&PLAN, n).map(|tier| tier.id)))
        .chain((1..=400).flat_map(|n| store_discounts(&PLAN, n, now()).map(|row| row.id)))
        .collect();
    assert_eq!(ids.iter().collect::<HashSet<_>>().len(), ids.len());
}

#[test]
fn exactly_the_documented_vendors_may_not_sell() {
    for n in 1..=PLAN.vendors {
        let store = vendor_store(&PLAN, n);
        let license = vendor_license(&PLAN, n, now());
        let subscription = subscription(&PLAN, n, now());
        let is_documented = [20, 25, 30].iter().any(|every| n % every == 0);
        assert_eq!(
            may_sell(&store, &license, &subscription),
            !is_documented,
            "vendor {n}"
        );
        assert!(!is_documented || n >= 20);
        assert_eq!(license.issuing_state, store.state);
        assert_eq!(store.state == "OK", n % 20 != 0);
        assert_eq!(license.expires_on < now().date_naive(), n % 25 == 0);
        assert_eq!(subscription.status == "past_due", n % 30 == 0);
    }
}

#[test]
fn every_buyer_may_buy() {
    for n in 1..=PLAN.buyers {
        let store = buyer_store(&PLAN, n);
        let license = buyer_license(&PLAN, n, now());
        let today = now().date_naive();
        assert_eq!((store.state, store.kyc_status), ("OK", "verified"));
        assert_eq!((license.issuing_state, license.status), ("OK", "verified"));
        assert!(license.expires_on >= today + Months::new(2));
        assert!(license.expires_on <= today + Months::new(24));
        assert!(license.issued_on <= today);
    }
}

#[test]
fn money_has_two_decimals() {
    for n in 1..=PLAN.products {
        let price = product(&PLAN, n).price;
        assert_eq!(price.scale(), 2);
        assert!(price.is_sign_positive() && !price.is_zero());
    }
    for row in (1..=PLAN.vendors).flat_map(|n| store_discounts(&PLAN, n, now())) {
        assert_eq!(row.min_subtotal.scale(), 2);
        assert!(row.kind == "percentage" || row.value.scale() == 2);
    }
}

#[test]
fn tiers_increase_between_the_moq_and_the_cap() {
    let mut with_tiers = 0;
    for n in 1..=PLAN.products {
        let product = product(&PLAN, n);
        let tiers: Vec<_> = volume_tiers(&PLAN, n).collect();
        with_tiers += u32::from(!tiers.is_empty());
        assert!((1..=25).contains(&product.moq));
        assert!(tiers.len() <= 3);
        assert!(tiers.is_sorted_by(|a, b| {
            a.min_qty < b.min_qty && a.discount_percent < b.discount_percent
        }));
        assert!(tiers.iter().all(|tier| {
            tier.min_qty > product.moq
                && product
                    .max_qty
                    .is_none_or(|max_qty| tier.min_qty <= max_qty)
        }));
    }
    assert!((1_500..1_850).contains(&with_tiers), "{with_tiers} of 5000");
}

#[test]
fn about_half_of_the_vendors_give_discounts_and_some_are_over_or_off() {
    let rows: Vec<_> = (1..=PLAN.vendors)
        .flat_map(|n| store_discounts(&PLAN, n, now()))
        .collect();
    let vendors: HashSet<_> = rows.iter().map(|row| row.vendor_store_id).collect();
    assert!((160..240).contains(&vendors.len()));
    assert!(
        rows.iter()
            .all(|row| row.ends_at.is_none_or(|end| end > row.starts_at))
    );
    assert!(
        rows.iter()
            .any(|row| row.ends_at.is_some_and(|end| end < now()))
    );
    assert!(rows.iter().any(|row| !row.is_active));
    assert!(rows.iter().any(|row| row.kind == "fixed"));
}

#[test]
fn products_are_dealt_to_the_vendors_in_turn() {
    for n in 1..=1_200 {
        let vendor = vendor_store_id(PLAN.seed, (n - 1) % PLAN.vendors + 1);
        assert_eq!(product(&PLAN, n).vendor_store_id, vendor);
        assert_eq!(inventory_item(&PLAN, n).vendor_store_id, vendor);
        assert!((250..=9_000).contains(&inventory_item(&PLAN, n).available_qty));
    }
}

#[test]
fn no_two_orders_share_a_product_and_all_vendors_may_sell() {
    for vendors in [1, 7, 19, 40] {
        let plan = SeedPlan {
            vendors,
            orders: 60,
            ..PLAN
        };
        let purchases = purchases(&plan, now());
        let mut products = HashSet::new();
        for (product, taken) in purchases.iter().flat_map(purchase::Purchase::taken) {
            assert!(products.insert(product), "{vendors} vendors");
            let stock = (1..=plan.products).find(|n| product_id(plan.seed, *n) == product.uuid());
            let stock = inventory_item(&plan, stock.unwrap()).available_qty;
            assert!(taken.reserved + taken.fulfilled <= stock);
        }
        assert_eq!(products.len(), 120);
        let sellers: HashSet<_> = (1..=19).map(|n| vendor_store_id(plan.seed, n)).collect();
        let orders = purchases.iter().flat_map(purchase::Purchase::orders);
        for order in orders {
            assert!(sellers.contains(&order.vendor_store_id.uuid()));
        }
    }
}

#[test]
fn the_ids_of_orders_ascend_with_their_times() {
    let plan = SeedPlan { orders: 50, ..PLAN };
    let purchases = purchases(&plan, now());
    let is_young = |it: &&purchase::Purchase| {
        it.orders()[0].status != splitcart::domain::order::OrderStatus::Expired
    };
    let ids: Vec<_> = purchases
        .iter()
        .filter(is_young)
        .flat_map(purchase::Purchase::order_ids)
        .collect();
    assert!(ids.is_sorted_by(|a, b| a < b));
    assert!(ids.iter().all(|id| id.uuid().get_version_num() == 7));
    let times = ids
        .iter()
        .map(|id| id.uuid().get_timestamp().unwrap().to_unix().0);
    let eight_days = u64::try_from(now().timestamp() - 8 * 86_400).unwrap();
    assert!(times.max() == Some(eight_days));
}

#[test]
fn a_plan_says_everything_that_is_wrong_with_it() {
    let wrong = SeedPlan {
        vendors: 0,
        products: 10_000_001,
        buyers: 0,
        orders: 0,
        seed: 1,
    };
    assert_eq!(
        wrong.validate().unwrap_err().to_string(),
        "vendors must be 1 to 1000000, not 0; products must be 1 to 10000000, not 10000001; \
         buyers must be 1 to 1000000, not 0"
    );
    let few = SeedPlan {
        vendors: 10,
        products: 9,
        ..PLAN
    };
    assert_eq!(
        few.validate().unwrap_err().to_string(),
        "9 products cannot give each of 10 vendors one"
    );
    let busy = SeedPlan {
        vendors: 19,
        products: 100,
        orders: 60,
        ..PLAN
    };
    assert_eq!(
        busy.validate().unwrap_err().to_string(),
        "60 orders need more than 100 products"
    );
    let too_busy = SeedPlan {
        orders: ORDERS_MAX + 1,
        ..PLAN
    };
    assert_eq!(
        too_busy.validate().unwrap_err().to_string(),
        "orders must be 0 to 10000, not 10001"
    );
    let most = SeedPlan {
        vendors: VENDORS_MAX,
        products: PRODUCTS_MAX,
        buyers: BUYERS_MAX,
        orders: 19,
        seed: u64::MAX,
    };
    assert_eq!(most.validate(), Ok(()));
}
