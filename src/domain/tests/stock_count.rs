//! Counts of stock.

use std::collections::{BTreeMap, HashMap, HashSet};

use proptest::prelude::*;

use super::support::product_id;
use crate::domain::{
    ids::ProductId,
    stock_count::{
        CountRefusal, CountResult, CountedQty, FoundProduct, ProductName, StockChange, StockItem,
        StockRow, count,
    },
};

use CountedQty::{Available, Delta, OnHand};

const ROW: StockRow = StockRow {
    available_qty: 30,
    reserved_qty: 10,
    low_stock_threshold: 5,
    version: 7,
};

fn qty(qty: CountedQty) -> StockChange {
    StockChange {
        qty: Some(qty),
        ..StockChange::default()
    }
}

fn item(product: u32, change: StockChange) -> StockItem {
    StockItem {
        product: ProductName::Id(product_id(product)),
        change,
    }
}

/// Product 0 is nobody's.
fn found(items: &[StockItem]) -> Vec<Option<FoundProduct>> {
    let find = |item: &StockItem| match &item.product {
        ProductName::Id(id) if *id != product_id(0) => Some(FoundProduct {
            id: *id,
            sku: id.to_string(),
        }),
        _ => None,
    };
    items.iter().map(find).collect()
}

#[test]
fn each_way_of_counting_sets_what_is_available() {
    for (change, available) in [
        (qty(OnHand(40)), Ok(30)),
        (qty(OnHand(41)), Ok(31)),
        (qty(OnHand(10)), Ok(0)),
        (qty(OnHand(9)), Err(CountRefusal::BelowReserved)),
        (qty(Available(12)), Ok(12)),
        (qty(Available(0)), Ok(0)),
        (qty(Available(i32::MAX - 10)), Ok(i32::MAX - 10)),
        (qty(Available(i32::MAX - 9)), Err(CountRefusal::TooLarge)),
        (qty(Delta(-30)), Ok(0)),
        (qty(Delta(-31)), Err(CountRefusal::BelowZero)),
        (qty(Delta(i32::MIN)), Err(CountRefusal::BelowZero)),
        (qty(Delta(i32::MAX)), Err(CountRefusal::TooLarge)),
        (qty(Delta(5)), Ok(35)),
    ] {
        let after = change.apply(ROW).map(|row| row.available_qty);
        assert_eq!(after, available, "{change:?}");
    }
}

#[test]
fn a_version_counts_changes_and_nothing_else() {
    let threshold = StockChange {
        low_stock_threshold: Some(6),
        ..StockChange::default()
    };
    let as_seen = |version| StockChange {
        if_version: Some(version),
        ..qty(Delta(1))
    };
    for (change, version) in [
        (qty(OnHand(40)), Ok(7)),
        (qty(Delta(0)), Ok(7)),
        (qty(Delta(1)), Ok(8)),
        (threshold, Ok(8)),
        (as_seen(7), Ok(8)),
        (as_seen(6), Err(CountRefusal::VersionMismatch)),
        (as_seen(8), Err(CountRefusal::VersionMismatch)),
    ] {
        assert_eq!(
            change.apply(ROW).map(|row| row.version),
            version,
            "{change:?}"
        );
    }
}

#[test]
fn a_product_without_a_row_counts_from_nothing_and_gets_one() {
    let items = [
        item(1, qty(Delta(0))),
        item(2, qty(Delta(4))),
        item(3, qty(Delta(-1))),
    ];
    let counted = count(&items, &found(&items), &BTreeMap::new());

    let results: Vec<_> = counted.items.iter().map(|item| item.result).collect();
    let refused = CountResult::Refused(CountRefusal::BelowZero);
    assert_eq!(
        results,
        [CountResult::Unchanged, CountResult::Changed, refused]
    );
    let four = StockRow {
        available_qty: 4,
        version: 1,
        ..StockRow::default()
    };
    let writes = BTreeMap::from([(product_id(1), StockRow::default()), (product_id(2), four)]);
    assert_eq!(counted.writes, writes);
}

#[test]
fn a_product_named_again_is_refused_although_it_was_refused_before() {
    let rows = BTreeMap::from([(product_id(1), ROW)]);
    let items = [
        item(1, qty(Delta(-31))),
        item(1, qty(Delta(-1))),
        item(0, qty(Delta(1))),
    ];
    let counted = count(&items, &found(&items), &rows);

    let results: Vec<_> = counted.items.iter().map(|item| item.result).collect();
    let reasons = [
        CountRefusal::BelowZero,
        CountRefusal::DuplicateProduct,
        CountRefusal::ProductNotFound,
    ];
    assert_eq!(results, reasons.map(CountResult::Refused));
    let told: Vec<_> = counted.items.iter().map(|item| item.row).collect();
    assert_eq!(told, [Some(ROW), Some(ROW), None]);
    assert_eq!(counted.writes, BTreeMap::new());
}

fn some_change() -> impl Strategy<Value = StockChange> {
    let few = prop_oneof![0..50_i32, Just(i32::MAX), Just(i32::MAX - 20)];
    let qty = prop_oneof![
        few.clone().prop_map(OnHand),
        few.prop_map(Available),
        prop_oneof![-50..50_i32, any::<i32>()].prop_map(Delta),
    ];
    let parts = (
        proptest::option::of(qty),
        proptest::option::of(0..4_i32),
        proptest::option::of(0..4_i64),
    );
    parts.prop_map(|(qty, low_stock_threshold, if_version)| StockChange {
        qty,
        low_stock_threshold,
        if_version,
    })
}

fn some_row() -> impl Strategy<Value = StockRow> {
    (0..50_i32, 0..30_i32, 0..4_i32, 0..4_i64).prop_map(
        |(available_qty, reserved_qty, low_stock_threshold, version)| StockRow {
            available_qty,
            reserved_qty,
            low_stock_threshold,
            version,
        },
    )
}

proptest! {
    /// Units that are reserved stay so, and no row exceeds what the database can hold.
    #[test]
    fn a_count_never_touches_what_is_reserved(row in some_row(), change in some_change()) {
        if let Ok(after) = change.apply(row) {
            prop_assert_eq!(after.reserved_qty, row.reserved_qty);
            prop_assert!(after.available_qty >= 0);
            prop_assert!(after.available_qty.checked_add(after.reserved_qty).is_some());
            prop_assert_eq!(after.version > row.version, after != row);
            match change.qty {
                Some(OnHand(qty)) => prop_assert_eq!(after.available_qty + after.reserved_qty, qty),
                Some(Available(qty)) => prop_assert_eq!(after.available_qty, qty),
                Some(Delta(qty)) => prop_assert_eq!(after.available_qty - row.available_qty, qty),
                None => prop_assert_eq!(after.available_qty, row.available_qty),
            }
        }
    }

    /// Every item is answered, each product changes once at most, and what is told is what is written.
    #[test]
    fn what_is_told_is_what_is_written(
        items in proptest::collection::vec((0..6_u32, some_change()), 0..12),
        rows in proptest::collection::hash_map(1..6_u32, some_row(), 0..5),
    ) {
        let items: Vec<_> = items.into_iter().map(|(product, change)| item(product, change)).collect();
        let rows: HashMap<ProductId, _> =
            rows.into_iter().map(|(product, row)| (product_id(product), row)).collect();
        let before = rows.clone().into_iter().collect();
        let counted = count(&items, &found(&items), &before);

        prop_assert_eq!(counted.items.len(), items.len());
        let mut left = before.clone();
        left.extend(counted.writes.clone());
        let mut named = HashSet::new();
        let mut written = HashSet::new();
        for (item, told) in items.iter().zip(&counted.items) {
            let Some(row) = told.row else {
                prop_assert_eq!(told.result, CountResult::Refused(CountRefusal::ProductNotFound));
                continue;
            };
            let id = told.product_id.unwrap();
            prop_assert_eq!(&item.product, &ProductName::Id(id));
            let is_first = named.insert(id);
            prop_assert_eq!(
                !is_first,
                told.result == CountResult::Refused(CountRefusal::DuplicateProduct)
            );
            prop_assert_eq!(row, left.get(&id).copied().unwrap_or_default());
            match told.result {
                CountResult::Changed => prop_assert!(written.insert(id)),
                CountResult::Unchanged if !before.contains_key(&id) => {
                    prop_assert!(written.insert(id));
                }
                _ => {}
            }
        }
        prop_assert_eq!(written, counted.writes.keys().copied().collect::<HashSet<_>>());
    }
}
