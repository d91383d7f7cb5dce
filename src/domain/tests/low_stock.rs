//! When stock has run low.

use crate::domain::{lock_order::StockKey, low_stock::StockTaken};

use super::support::{now, product_id, vendor_id};

fn taken(available_before: i32, available_qty: i32, low_stock_threshold: i32) -> StockTaken {
    StockTaken {
        stock: StockKey {
            vendor_store_id: vendor_id(1),
            product_id: product_id(1),
        },
        available_before,
        available_qty,
        low_stock_threshold,
        taken_at: now(),
    }
}

#[test]
fn stock_runs_low_where_it_crosses_the_threshold_or_zero() {
    let threshold = 5;
    for (before, after, is_low) in [
        (10, 6, false),
        (6, 5, true),
        (6, 3, true),
        // It was low before.
        (5, 4, false),
        (5, 1, false),
        (5, 0, true),
        (10, 0, true),
        (0, 0, false),
        // More than before.
        (4, 5, false),
        (0, 3, false),
        (5, 5, false),
    ] {
        let taken = taken(before, after, threshold);
        assert_eq!(taken.has_run_low(), is_low, "{before} to {after}");
    }
}

#[test]
fn a_product_without_a_threshold_runs_low_at_zero() {
    for (before, after, is_low) in [(2, 1, false), (1, 0, true), (0, 0, false)] {
        assert_eq!(taken(before, after, 0).has_run_low(), is_low);
    }
}

#[test]
fn a_way_down_to_zero_is_announced_once_per_bound() {
    for (steps, expected) in [
        (vec![10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0], vec![4, 0]),
        (vec![10, 3, 1, 0], vec![3, 0]),
        (vec![10, 0], vec![0]),
    ] {
        let ways = steps.windows(2).map(|step| taken(step[0], step[1], 4));
        let announced: Vec<_> = ways
            .filter(StockTaken::has_run_low)
            .map(|taken| taken.available_qty)
            .collect();
        assert_eq!(announced, expected, "{steps:?}");
    }
}
