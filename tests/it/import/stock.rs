//! Stock is imported while it is sold: neither undoes the other.

use std::{
    fmt::Write,
    process::Stdio,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use serde_json::json;

use crate::support::{
    Client, Database, Market, Shopper, World, assert_consistent,
    market::{cart_of, stock_in},
    server::splitcart,
    wait,
};

use super::{Importing, KUSH, VENDOR};

#[tokio::test]
async fn what_is_on_hand_includes_what_is_reserved() {
    let importing = Importing::of_the_examples().await;
    let reserve = format!(
        "update inventory_items set available_qty = 90, reserved_qty = 10 where product_id = '{KUSH}'"
    );
    importing.database.run(&reserve).await;
    let row = |qty: i32| format!("product_id,on_hand_qty\n{KUSH},{qty}\n");
    for (on_hand, available, counts) in [
        (100, 90, [1, 0, 0, 1, 0]),
        (150, 140, [1, 0, 1, 0, 0]),
        (10, 0, [1, 0, 1, 0, 0]),
    ] {
        let file = importing.file("stock.csv", row(on_hand));
        assert_eq!(importing.counts(&[&file]), counts, "{on_hand}");
        let there = format!(
            "select available_qty::bigint from inventory_items where product_id = '{KUSH}'"
        );
        let there: i64 = sqlx::query_scalar(sqlx::AssertSqlSafe(there))
            .fetch_one(&importing.database.pool)
            .await
            .unwrap();
        assert_eq!(there, available, "{on_hand}");
    }
    // A count that is less than what was sold is wrong.
    let file = importing.file("stock.csv", row(9));
    let output = importing.run(&[&file]);
    let shown = String::from_utf8(output.stdout).unwrap();
    assert!(
        shown.contains("on_hand_qty: must be at least 10: so many are reserved"),
        "{shown}"
    );
}

/// The sale that holds the row is waited for, and what it reserved is taken into account.
#[tokio::test]
async fn a_sale_under_way_is_not_undone() {
    let importing = Importing::of_the_examples().await;
    let mut sale = importing.database.pool.begin().await.unwrap();
    let sell = format!(
        "update inventory_items set available_qty = available_qty - 400,
            reserved_qty = reserved_qty + 400
         where product_id = '{KUSH}'"
    );
    sqlx::query(sqlx::AssertSqlSafe(sell))
        .execute(&mut *sale)
        .await
        .unwrap();
    let file = importing.file(
        "stock.csv",
        format!("product_id,on_hand_qty\n{KUSH},3000\n"),
    );
    let mut import = importing
        .command(&[&file])
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    wait::until("the import waits for the row", async || {
        let waiting = "select count(*) from pg_stat_activity
             where datname = current_database() and wait_event_type = 'Lock'";
        importing.database.count(waiting).await == 1
    })
    .await;

    sale.commit().await.unwrap();

    assert!(import.wait().unwrap().success());
    let right = format!(
        "select count(*) from inventory_items
         where product_id = '{KUSH}' and available_qty = 2600 and reserved_qty = 400"
    );
    assert_eq!(count(&importing, right).await, 1);
}

/// The import has locked one row and waits for another, when a third, which was as the file says when
/// the import came by, is sold from. To set that back now would mean to wait for the next sale of it,
/// which waits for the import: a deadlock.
#[tokio::test]
async fn a_sale_that_waits_for_the_import_is_not_waited_for() {
    let market = Market::new(Database::create().await);
    let vendor = market.vendor().await;
    let mut products = Vec::new();
    for _ in 0..3 {
        products.push(market.product(vendor, 500, 10).await);
    }
    // Ids ascend with time, and locks with ids.
    let [unchanged, changed, held] = products[..] else {
        unreachable!()
    };
    let mut holder = market.hold_stock(held).await;
    let files = tempfile::TempDir::new().unwrap();
    let file = files.path().join("stock.csv");
    let text = format!(
        "product_id,available_qty\n{},10\n{},20\n{},20\n",
        unchanged.id, changed.id, held.id
    );
    std::fs::write(&file, text).unwrap();
    let mut import = splitcart("import")
        .arg(&file)
        .env("SPLITCART_DATABASE_URL", &market.database.url)
        .env("SPLITCART_REDIS_URL", "redis://localhost:1")
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let waiting = "select count(*) from pg_stat_activity
         where datname = current_database() and wait_event_type = 'Lock'";
    wait::until("the import waits for the row that is held", async || {
        market.database.count(waiting).await == 1
    })
    .await;
    market.stock(unchanged, 9).await;
    let mut sale = market.database.pool.begin().await.unwrap();
    stock_in(&mut sale, unchanged, 8).await;
    let sale = tokio::spawn(async move {
        stock_in(&mut sale, changed, 19).await;
        sale.commit().await.unwrap();
    });
    wait::until("the sale waits for the import", async || {
        market.database.count(waiting).await == 2
    })
    .await;

    stock_in(&mut holder, held, 10).await;
    holder.commit().await.unwrap();

    assert!(import.wait().unwrap().success());
    sale.await.unwrap();
    for (product, available) in [(unchanged, 8), (changed, 19), (held, 20)] {
        assert_eq!(market.stock_of(product).await, (available, 0));
    }
}

/// Every row that is refused under the locks of its part is told like any other.
#[tokio::test]
async fn whoever_keeps_going_hears_of_counts_that_are_too_low() {
    let importing = Importing::of_the_examples().await;
    let reserve = format!(
        "update inventory_items set available_qty = 90, reserved_qty = 10
         where product_id = '{KUSH}'"
    );
    importing.database.run(&reserve).await;
    let text =
        format!("vendor_store_id,sku,on_hand_qty\n{VENDOR},FLW-BULK,41\n{VENDOR},FLW-OG-3.5,9\n");
    let file = importing.file("stock.csv", text);

    let output = importing.run(&["--keep-going", &file]);

    let shown = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1), "{shown}");
    assert!(
        shown.contains("line 3, on_hand_qty: must be at least 10"),
        "{shown}"
    );
    let right = "select count(*) from inventory_items
         where available_qty = 41 and reserved_qty = 0
            or available_qty = 90 and reserved_qty = 10";
    assert_eq!(importing.database.count(right).await, 2);
}

async fn count(importing: &Importing, query: String) -> i64 {
    sqlx::query_scalar(sqlx::AssertSqlSafe(query))
        .fetch_one(&importing.database.pool)
        .await
        .unwrap()
}

/// Carts that take many products in every order, while counts of them come in again and again, whole
/// and in parts: nobody deadlocks for good, and every unit is accounted for.
#[tokio::test]
async fn checkouts_and_counts_of_stock_get_on_with_each_other() {
    let world = World::start().await;
    let market = &world.market;
    let mut products = Vec::new();
    for _ in 0..3 {
        let vendor = market.vendor().await;
        for _ in 0..4 {
            products.push(market.product(vendor, 500, 1_000).await);
        }
    }
    let mut carts = Vec::new();
    for (nr, first) in (0..40).zip((0..products.len()).cycle()) {
        let mut lines: Vec<_> = products
            .iter()
            .map(|product| (*product, 1 + nr % 3))
            .collect();
        lines.rotate_left(first);
        carts.push(cart_of(&lines));
    }
    let shoppers = Shopper::with_carts(market, &world.server, &carts).await;
    let files = tempfile::TempDir::new().unwrap();
    let counts = [6_000, 5_000].map(|on_hand| {
        let mut text = "product_id,on_hand_qty\n".to_owned();
        for product in products.iter().rev() {
            writeln!(text, "{},{on_hand}", product.id).unwrap();
        }
        let path = files.path().join(format!("stock-{on_hand}.csv"));
        std::fs::write(&path, text).unwrap();
        path
    });
    let is_selling = Arc::new(AtomicBool::new(true));
    // Each writes every row again and again, and ends with the second count.
    let import_on = |options: &'static [&'static str]| {
        let (url, counts) = (market.database.url.clone(), counts.clone());
        let is_selling = Arc::clone(&is_selling);
        tokio::task::spawn_blocking(move || {
            let mut rounds = 0;
            while rounds == 0 || is_selling.load(Ordering::Relaxed) {
                for file in &counts {
                    let output = splitcart("import")
                        .args(options)
                        .arg(file)
                        .env("SPLITCART_DATABASE_URL", &url)
                        .env("SPLITCART_REDIS_URL", "redis://localhost:1")
                        .output()
                        .unwrap();
                    assert!(output.status.success(), "{output:?}");
                }
                rounds += 1;
            }
        })
    };

    let imports = [import_on(&[]), import_on(&["--keep-going"])];
    let bought = futures_util::future::join_all(shoppers.iter().map(Shopper::insist)).await;
    is_selling.store(false, Ordering::Relaxed);
    for import in imports {
        import.await.unwrap();
    }

    assert!(bought.iter().all(|reply| reply.status == 201));
    for product in &products {
        let (available, reserved) = market.stock_of(*product).await;
        assert_eq!(available + reserved, 5_000);
    }
    assert_consistent(&market.database).await;
}

/// A checkout that waits for the row of an import is answered in time, and nothing is lost.
#[tokio::test]
async fn whoever_waits_too_long_for_a_count_is_told_to_come_again() {
    let world = World::with_settings(&[("SPLITCART_LOCK_MS_MAX", "100")]).await;
    let product = world.market.sold_product(500, 10).await;
    let cart = cart_of(&[(product, 1)]);
    let shopper = Shopper::with_cart(&world.market, &world.server, &cart).await;
    let mut held = world.market.hold_stock(product).await;
    stock_in(&mut held, product, 50).await;

    let refused = Client::send(shopper.request()).await;

    assert_eq!(
        (refused.status, refused.code().as_str()),
        (503, "OVERLOADED")
    );
    held.commit().await.unwrap();
    let bought = shopper.insist().await;
    assert_eq!(
        bought.data()["vendor_orders"][0]["status"],
        json!("created_pending")
    );
    assert_eq!(world.market.stock_of(product).await, (49, 1));
}
