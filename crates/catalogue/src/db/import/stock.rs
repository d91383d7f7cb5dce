//! Stock, which checkouts write to while it is imported.
//!
//! Rows are locked in ascending vendor and product, as a checkout locks them, and only those that
//! would change. The new values of a row are computed under its lock, from the quantity reserved then.
//! Only locked rows are written: to wait for a row that a sale changes later, out of order, could be a
//! deadlock. A file may be applied in parts, each in a transaction of its own, so that no lock is held
//! for long.

use std::ops::RangeInclusive;

use sqlx::PgConnection;

use splitcart::db::error::Error;

use crate::import_rules::Kind;

use super::{ACCEPTED, Changes, check::refuse, looked_up::looked_up, run};

/// The condition that the stock `t` is the one that a row `r` of `import_rows` is about.
pub(super) const KEY: &str = "t.product_id = r.product_id";

/// The new available quantity of the stock `t`.
const AVAILABLE: &str =
    "coalesce(r.available_qty, r.on_hand_qty - t.reserved_qty, t.available_qty)";

/// The new threshold of the stock `t`.
const THRESHOLD: &str = "coalesce(r.low_stock_threshold, t.low_stock_threshold)";

/// Rows by their number in the order of locking, from 1.
pub type Part = RangeInclusive<i64>;

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
            false as is_locked,
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

/// Locks the rows of a part that would change, in the order in which checkouts lock them, and notes that
/// they are locked: a row that a sale changes after this is left as it is.
///
/// # Errors
/// The statement failed; the transaction is lost.
pub async fn lock_stock(connection: &mut PgConnection, part: &Part) -> Result<(), Error> {
    let locking = format!(
        "with locked as (
            select r.line
            from import_rows r
            join inventory_items t on {KEY}
            where {part} and {ACCEPTED} and {differs}
            order by t.vendor_store_id, t.product_id
            for update of t
         )
         update import_rows r
         set is_locked = true
         from locked
         where r.line = locked.line",
        part = within(part),
        differs = differs(),
    );
    run(connection, locking, "lock the stock").await?;
    Ok(())
}

/// Refuses the rows of a part that contradict the quantities reserved for orders.
///
/// # Errors
/// A statement failed; the transaction is lost.
pub async fn recheck_stock(connection: &mut PgConnection, part: &Part) -> Result<u64, Error> {
    let part = within(part);
    let too_few = format!(
        "select r.line, 'on_hand_qty', format(
            'must be at least %s: so many are reserved for orders', t.reserved_qty)
         from import_rows r
         join inventory_items t on {KEY}
         where {part} and r.on_hand_qty < t.reserved_qty"
    );
    let too_many = format!(
        "select r.line, 'available_qty', format(
            'must be at most %s: %s more are reserved for orders',
            {max} - t.reserved_qty, t.reserved_qty)
         from import_rows r
         join inventory_items t on {KEY}
         where {part} and r.available_qty > {max} - t.reserved_qty",
        max = i32::MAX,
    );
    Ok(refuse(connection, &too_few).await? + refuse(connection, &too_many).await?)
}

/// Writes the accepted rows of a part: those that were locked, and those that are new.
///
/// # Errors
/// A statement failed; the transaction is lost.
pub async fn apply_stock(connection: &mut PgConnection, part: &Part) -> Result<Changes, Error> {
    let updating = format!(
        "update inventory_items t
         set
            available_qty = {AVAILABLE},
            low_stock_threshold = {THRESHOLD},
            updated_at = now()
         from import_rows r
         where {KEY} and {part} and r.is_locked and {ACCEPTED}",
        part = within(part),
    );
    let inserting = format!(
        "insert into inventory_items (
            product_id, vendor_store_id, available_qty, low_stock_threshold)
         select
            r.product_id,
            r.owner_id,
            coalesce(r.available_qty, r.on_hand_qty, 0),
            coalesce(r.low_stock_threshold, 0)
         from import_rows r
         where {part} and {ACCEPTED}
            and not exists (select from inventory_items t where {KEY})
         order by r.number",
        part = within(part),
    );
    let updated = run(connection, updating, "update the stock").await?;
    let inserted = run(connection, inserting, "insert stock").await?;
    Ok(Changes { inserted, updated })
}

/// The condition that a row changes the stock `t`.
pub(super) fn differs() -> String {
    format!("(t.available_qty, t.low_stock_threshold) is distinct from ({AVAILABLE}, {THRESHOLD})")
}

fn within(part: &Part) -> String {
    format!("r.number between {} and {}", part.start(), part.end())
}
