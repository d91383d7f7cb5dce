//! Stock, which checkouts write to while it is imported.
//!
//! A row of a file is counted by the rule by which a vendor counts over HTTP. Rows are locked in ascending
//! vendor and product, as a checkout locks them, and only those that would change. The new values of a
//! row are computed under its lock, from the quantity reserved then. Only locked rows are written: to wait
//! for a row that a sale changes later, out of order, could be a deadlock. A file may be applied in parts,
//! each in a transaction of its own, so that no lock is held for long.

use std::{collections::BTreeMap, ops::RangeInclusive};

use chrono::{DateTime, Utc};
use sqlx::{AssertSqlSafe, PgConnection};

use splitcart::{
    db::{
        error::{Doing, Error},
        inventory,
    },
    domain::{
        ids::{ProductId, VendorStoreId},
        lock_order::StockKey,
        stock_count::{CountRefusal, CountedQty, StockChange, StockRow},
    },
};

use crate::import_rules::Kind;

use super::{ACCEPTED, Changes, looked_up::looked_up};

/// The most rows that are in memory at a time.
const ROWS_AT_ONCE: i64 = 10_000;

/// Rows by their number in the order of locking, from 1.
pub type Part = RangeInclusive<i64>;

/// What is done about the rows of a part, beside refusing those that contradict what is reserved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Intent {
    /// Count what would change, without a lock.
    Foresee,
    /// Write the accepted rows.
    Write,
}

/// A row of the file, with the stock of its product.
struct Row {
    line: i64,
    key: StockKey,
    change: StockChange,
    is_accepted: bool,
    /// As it was read without a lock, and then as it was locked.
    stock: Option<StockRow>,
    read_at: DateTime<Utc>,
}

/// The columns of a row of the file, and those of the stock, if there is any.
type Columns = (
    i64,
    ProductId,
    VendorStoreId,
    Option<i32>,
    Option<i32>,
    Option<i32>,
    bool,
    DateTime<Utc>,
    Option<i32>,
    Option<i32>,
    Option<i32>,
    Option<i64>,
);

/// Makes `import_rows`: the lines with their product, its vendor and their number in the order of
/// locking.
pub(super) fn resolving() -> String {
    format!(
        "create temporary table import_rows as
         select
            s.line,
            s.product_id,
            s.vendor_store_id,
            s.sku,
            s.on_hand_qty,
            s.available_qty,
            s.low_stock_threshold,
            p.vendor_store_id as owner_id,
            row_number() over (order by p.vendor_store_id, s.product_id) as number
         from ({lines}) as s
         left join products p on p.id = s.product_id",
        lines = looked_up(Kind::Stock),
    )
}

/// Lets a part be found without reading all rows.
pub(super) fn indexing() -> String {
    "create index on import_rows (number)".to_owned()
}

/// Refuses the rows of a part that contradict the quantities reserved for orders, and writes the others as
/// `intent` says.
///
/// # Errors
/// A statement failed; the transaction is lost.
pub async fn count_stock(
    connection: &mut PgConnection,
    part: &Part,
    intent: Intent,
) -> Result<Changes, Error> {
    let mut changes = Changes::default();
    let mut first = *part.start();
    while first <= *part.end() {
        let last = (*part.end()).min(first.saturating_add(ROWS_AT_ONCE - 1));
        // A vendor may insert a row at the same moment. What was written is not written again.
        while !count_rows(connection, first..=last, intent, &mut changes).await? {}
        first = last.saturating_add(1);
        if last == i64::MAX {
            break;
        }
    }
    Ok(changes)
}

/// Returns false if a row has appeared that was to be inserted: the rows must be counted again.
async fn count_rows(
    connection: &mut PgConnection,
    part: Part,
    intent: Intent,
    changes: &mut Changes,
) -> Result<bool, Error> {
    let mut rows = read(connection, &part).await?;
    if intent == Intent::Write {
        lock(connection, &mut rows).await?;
    }
    let mut refused = Vec::new();
    let (mut there, mut missing) = (Vec::new(), Vec::new());
    for row in &rows {
        match (row.change.apply(row.stock.unwrap_or_default()), row.stock) {
            (Err(refusal), _) => refused.push(problem(row, refusal)),
            (Ok(after), None) if row.is_accepted => missing.push((row.key, after)),
            (Ok(after), Some(before)) if row.is_accepted && after != before => {
                there.push((row.key, after));
            }
            (Ok(_), _) => {}
        }
    }
    refuse(connection, &refused).await?;
    let Some(now) = rows.first().map(|row| row.read_at) else {
        return Ok(true);
    };
    let due = Changes {
        inserted: missing.len() as u64,
        updated: there.len() as u64,
    };
    let done = match intent {
        Intent::Foresee => due,
        Intent::Write => {
            let written = inventory::write_counts(connection, &there, &missing, None, now).await?;
            Changes {
                inserted: written.inserted,
                updated: written.updated,
            }
        }
    };
    *changes += done;
    Ok(done == due)
}

/// Reads the rows that name a product and give no contradicting quantities.
async fn read(connection: &mut PgConnection, part: &Part) -> Result<Vec<Row>, Error> {
    let statement = format!(
        "select
            r.line,
            r.product_id,
            r.owner_id,
            r.on_hand_qty,
            r.available_qty,
            r.low_stock_threshold,
            {ACCEPTED},
            now(),
            t.available_qty,
            t.reserved_qty,
            t.low_stock_threshold,
            t.version
         from import_rows r
         left join inventory_items t on t.product_id = r.product_id
         where r.number between {} and {}
            and r.owner_id is not null
            and (r.on_hand_qty is null or r.available_qty is null)
         order by r.number",
        part.start(),
        part.end(),
    );
    let rows: Vec<Columns> = sqlx::query_as(AssertSqlSafe(statement))
        .fetch_all(connection)
        .await
        .doing("read the stock of a file")?;
    Ok(rows.into_iter().map(row).collect())
}

fn row(columns: Columns) -> Row {
    let (
        line,
        product_id,
        vendor_store_id,
        on_hand,
        available,
        threshold,
        is_accepted,
        read_at,
        ..,
    ) = columns;
    let (.., available_qty, reserved_qty, low_stock_threshold, version) = columns;
    let qty = on_hand.map(CountedQty::OnHand);
    Row {
        line,
        key: StockKey {
            vendor_store_id,
            product_id,
        },
        change: StockChange {
            qty: qty.or(available.map(CountedQty::Available)),
            low_stock_threshold: threshold,
            if_version: None,
        },
        is_accepted,
        stock: available_qty.map(|available_qty| StockRow {
            available_qty,
            reserved_qty: reserved_qty.unwrap_or_default(),
            low_stock_threshold: low_stock_threshold.unwrap_or_default(),
            version: version.unwrap_or_default(),
        }),
        read_at,
    }
}

/// Locks the stock of the accepted rows that does not stay as it is, and reads it again. A row that a sale
/// changes after this is left as it is.
async fn lock(connection: &mut PgConnection, rows: &mut [Row]) -> Result<(), Error> {
    let stays = |row: &Row| {
        row.stock
            .is_none_or(|before| row.change.apply(before) == Ok(before))
    };
    let keys: Vec<_> = rows
        .iter()
        .filter(|row| row.is_accepted && !stays(row))
        .map(|row| row.key)
        .collect();
    let locked: BTreeMap<_, _> = inventory::lock_rows(connection, &keys).await?;
    for row in rows {
        if let Some(stock) = locked.get(&row.key.product_id) {
            row.stock = Some(*stock);
        }
    }
    Ok(())
}

/// The line, the column and the problem of a refused row.
fn problem(row: &Row, refusal: CountRefusal) -> (i64, &'static str, String) {
    let reserved = row.stock.unwrap_or_default().reserved_qty;
    match refusal {
        CountRefusal::BelowReserved => (
            row.line,
            "on_hand_qty",
            format!("must be at least {reserved}: so many are reserved for orders"),
        ),
        _ => (
            row.line,
            "available_qty",
            format!(
                "must be at most {}: {reserved} more are reserved for orders",
                i32::MAX - reserved
            ),
        ),
    }
}

async fn refuse(
    connection: &mut PgConnection,
    refused: &[(i64, &'static str, String)],
) -> Result<(), Error> {
    if refused.is_empty() {
        return Ok(());
    }
    let lines: Vec<_> = refused.iter().map(|(line, ..)| *line).collect();
    let columns: Vec<_> = refused.iter().map(|(_, column, _)| *column).collect();
    let problems: Vec<_> = refused
        .iter()
        .map(|(.., problem)| problem.as_str())
        .collect();
    sqlx::query(
        "insert into import_refused (line, column_name, problem)
         select * from unnest($1::bigint[], $2::text[], $3::text[])",
    )
    .bind(lines)
    .bind(columns)
    .bind(problems)
    .execute(connection)
    .await
    .doing("refuse rows of stock")?;
    Ok(())
}
