//! Loading a whole catalogue: the order of the tables and the one transaction they are loaded in.
//! Shows nothing, and reads the clock only to measure the load.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use anyhow::{Context, ensure};
use chrono::{DateTime, Utc};
use sqlx::{Connection, PgConnection};

use crate::{
    db::bulk::{self, CopyRow},
    seed::{self, RowCounts, SeedPlan, purchase::Purchase},
};

/// The progress of a load.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// The table that is being written.
    pub table: &'static str,
    /// The table's rows so far.
    pub table_rows: u64,
    /// The table's rows in the end.
    pub table_total: u64,
    /// The rows of all tables so far.
    pub rows: u64,
    /// The rows of all tables in the end.
    pub total: u64,
}

/// The rows loaded into one table.
#[derive(Clone, Copy, Debug)]
pub struct LoadedTable {
    pub table: &'static str,
    pub rows: u64,
    pub elapsed: Duration,
}

/// The rows loaded into all tables. The tables' times leave out the commit and the statistics; `elapsed` does
/// not.
#[derive(Clone, Debug)]
pub struct Summary {
    pub tables: Vec<LoadedTable>,
    pub elapsed: Duration,
}

/// Loads what the plan asks for, all of it or nothing, and gathers statistics on it.
///
/// # Errors
/// The plan is invalid, the database already has stores, or the machine failed. Nothing was changed
/// then, unless only the statistics failed.
pub async fn load(
    plan: &SeedPlan,
    now: DateTime<Utc>,
    conn: &mut PgConnection,
    progress: &dyn Fn(Progress),
) -> anyhow::Result<Summary> {
    plan.validate()?;
    let started = Instant::now();
    let mut tx = conn.begin().await?;
    bulk::lock_stores(&mut tx).await?;
    ensure!(
        !bulk::has_stores(&mut tx).await?,
        "this database already has stores; seed an empty one (or use another --data-dir)"
    );
    let tables = load_tables(plan, now, &mut tx, progress).await?;
    tx.commit()
        .await
        .context("could not commit the catalogue")?;
    bulk::analyze(conn)
        .await
        .context("the catalogue is loaded, but its statistics could not be gathered")?;
    Ok(Summary {
        tables,
        elapsed: started.elapsed(),
    })
}

/// In order: a table comes before those that refer to it.
async fn load_tables(
    plan: &SeedPlan,
    now: DateTime<Utc>,
    conn: &mut PgConnection,
    progress: &dyn Fn(Progress),
) -> anyhow::Result<Vec<LoadedTable>> {
    let counts = plan.row_counts();
    let (buyers, vendors, products) = (1..=plan.buyers, 1..=plan.vendors, 1..=plan.products);
    let mut loading = Loading {
        conn,
        progress,
        rows: 0,
        total: counts.total(),
        tables: Vec::new(),
    };

    let owners = buyers.clone().map(|n| seed::owner(plan, n));
    let viewers = plan.buyers_with_viewer().map(|n| seed::viewer(plan, n));
    let sellers = vendors.clone().map(|n| seed::vendor_owner(plan, n));
    loading
        .copy(counts.users, owners.chain(viewers).chain(sellers))
        .await?;

    let buyer_stores = buyers.clone().map(|n| seed::buyer_store(plan, n));
    let vendor_stores = vendors.clone().map(|n| seed::vendor_store(plan, n));
    loading
        .copy(counts.stores, buyer_stores.chain(vendor_stores))
        .await?;

    let owners = buyers.clone().map(|n| seed::owner_membership(plan, n));
    let viewers = plan
        .buyers_with_viewer()
        .map(|n| seed::viewer_membership(plan, n));
    let sellers = vendors.clone().map(|n| seed::vendor_membership(plan, n));
    loading
        .copy(counts.memberships, owners.chain(viewers).chain(sellers))
        .await?;

    let buyer_licenses = buyers.map(|n| seed::buyer_license(plan, n, now));
    let vendor_licenses = vendors.clone().map(|n| seed::vendor_license(plan, n, now));
    loading
        .copy(counts.licenses, buyer_licenses.chain(vendor_licenses))
        .await?;

    let subscriptions = vendors.clone().map(|n| seed::subscription(plan, n, now));
    loading.copy(counts.subscriptions, subscriptions).await?;

    let discounts = vendors.flat_map(|n| seed::store_discounts(plan, n, now));
    loading.copy(counts.store_discounts, discounts).await?;

    let rows = products.clone().map(|n| seed::product(plan, n));
    loading.copy(counts.products, rows).await?;

    let tiers = products.clone().flat_map(|n| seed::volume_tiers(plan, n));
    loading.copy(counts.volume_tiers, tiers).await?;

    let purchases = seed::purchases(plan, now);
    let taken: HashMap<_, _> = purchases.iter().flat_map(Purchase::taken).collect();
    let inventory = products.map(|n| {
        let row = seed::inventory_item(plan, n);
        match taken.get(&row.product_id.into()) {
            Some(taken) => taken.from_stock(row),
            None => row,
        }
    });
    loading.copy(counts.inventory_items, inventory).await?;
    if !purchases.is_empty() {
        load_purchases(&purchases, counts, &mut loading).await?;
    }

    Ok(loading.tables)
}

/// In order, too.
async fn load_purchases(
    purchases: &[Purchase],
    counts: RowCounts,
    loading: &mut Loading<'_>,
) -> anyhow::Result<()> {
    let all = || purchases.iter();
    loading
        .copy(counts.orders, all().map(Purchase::cart_row))
        .await?;
    let items = all().flat_map(Purchase::item_rows);
    loading.copy(counts.order_lines, items).await?;
    loading
        .copy(counts.orders, all().map(Purchase::group_row))
        .await?;
    let orders = all().flat_map(Purchase::order_rows);
    loading.copy(counts.orders, orders).await?;
    let lines = all().flat_map(Purchase::line_rows);
    loading.copy(counts.order_lines, lines).await?;
    let intents = all().flat_map(Purchase::intent_rows);
    loading.copy(counts.orders, intents).await?;
    let events = all().flat_map(Purchase::event_rows);
    loading.copy(counts.events, events).await
}

struct Loading<'a> {
    conn: &'a mut PgConnection,
    progress: &'a dyn Fn(Progress),
    rows: u64,
    total: u64,
    tables: Vec<LoadedTable>,
}

impl Loading<'_> {
    async fn copy<R: CopyRow>(
        &mut self,
        expected: u64,
        rows: impl Iterator<Item = R>,
    ) -> anyhow::Result<()> {
        let started = Instant::now();
        let report = |table_rows| {
            (self.progress)(Progress {
                table: R::TABLE,
                table_rows,
                table_total: expected,
                rows: self.rows + table_rows,
                total: self.total,
            });
        };
        // A table is reported as complete once, and only when the database has said so.
        let sent = |table_rows| {
            if table_rows < expected {
                report(table_rows);
            }
        };
        let count = bulk::copy_rows(self.conn, rows, sent)
            .await
            .with_context(|| format!("could not load {}", R::TABLE))?;
        report(count);
        assert_eq!(count, expected, "the plan counts what it makes");
        self.rows += count;
        self.tables.push(LoadedTable {
            table: R::TABLE,
            rows: count,
            elapsed: started.elapsed(),
        });
        Ok(())
    }
}
