//! Finds the members of a failed attempt that are the cause of its failure. The transaction is rolled back,
//! but the vendors' turns are still held, or the next batch would run into the same row.

use std::collections::{BTreeSet, HashSet};

use crate::{
    db::{
        self,
        locked_tables::{self, TableLock},
    },
    domain::ids::ProductId,
    held_rows::{LOOK_MAX, Row},
    vendors::lent_tx::LentTx,
};

use super::{BatchContext, CheckoutMember, failure::Cause, needs::Needs};

/// Marks the members that want products whose stock has moved.
pub(super) fn find_moved(moved: &[ProductId], needs: &Needs, causes: &mut [Cause]) {
    for (cause, needs) in causes.iter_mut().zip(needs.by_member()) {
        let has_moved =
            |row: &Row| matches!(row, Row::Stock(stock) if moved.contains(&stock.product_id));
        if needs.iter().any(has_moved) {
            *cause = Cause::StockMoved;
        }
    }
}

/// Marks the members that need rows which others hold, or else those whose keys others hold. If others lock a
/// whole table, returns that lock: the next attempt of whoever writes or reads there would wait, too.
pub(super) async fn find_held(
    context: &BatchContext,
    tx: &mut LentTx,
    members: &[CheckoutMember],
    needs: &Needs,
    causes: &mut [Cause],
) -> Result<Option<TableLock>, db::Error> {
    let held_rows = &context.held_rows;
    let rows: BTreeSet<_> = needs.rows().copied().collect();
    let look = db::transaction::look(tx.connection(), async |connection| {
        // A look for rows would have to wait for the table.
        match locked_tables::find(connection, locked_tables::OF_CHECKOUTS).await? {
            Some(lock) => Ok(Err(lock)),
            None => held_rows.look(connection, &rows).await.map(Ok),
        }
    });
    let held = match db::in_time(LOOK_MAX, "look for what others hold", look).await? {
        Ok(held) => held,
        Err(table_lock) => return Ok(Some(table_lock)),
    };
    held_rows.note(held.iter().copied());
    let held: HashSet<_> = held.into_iter().collect();
    for (cause, needs) in causes.iter_mut().zip(needs.by_member()) {
        let rows = needs.iter().filter(|row| held.contains(row));
        let rows: Vec<_> = rows.copied().collect();
        if !rows.is_empty() {
            *cause = Cause::Held(rows);
        }
    }
    if held.is_empty() {
        find_held_keys(tx, members, causes).await?;
    }
    Ok(None)
}

async fn find_held_keys(
    tx: &mut LentTx,
    members: &[CheckoutMember],
    causes: &mut [Cause],
) -> Result<(), db::Error> {
    let scopes: Vec<_> = members.iter().map(|member| &member.command.scope).collect();
    let look = db::idempotency::find_held(tx.connection(), &scopes);
    for index in db::in_time(LOOK_MAX, "look for held keys", look).await? {
        causes[index] = Cause::KeyHeld;
    }
    Ok(())
}
