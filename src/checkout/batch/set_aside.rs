//! Members that are taken out of a transaction before anything is written, because they would only hold the
//! others up: those that need rows which others hold, and those that are too large.

use std::collections::BTreeSet;

use crate::{db, held_rows::Row, vendors::lent_tx::LentTx};

use super::{BatchContext, CheckoutMember, needs::Needs, outcome::Outcome, planned::Planned};

/// Sets the members aside that need rows which others hold.
pub(super) async fn set_held_aside(
    context: &BatchContext,
    members: &[CheckoutMember],
    needs: &Needs,
    tx: &mut LentTx,
    planned: &mut Planned,
) -> Result<(), db::Error> {
    let held_rows = &context.held_rows;
    if held_rows.is_empty() {
        return Ok(());
    }
    // If one row is held there may be more, of an import or of an instance that is stuck: they are
    // looked for, which costs a round trip, instead of being run into one after the other.
    let stock: BTreeSet<_> = planned
        .plans()
        .filter(|(index, _)| members[*index].notes.set_aside_at.is_none())
        .flat_map(|(index, _)| needs.of(index))
        .filter_map(|row| match row {
            Row::Stock(stock) => Some(*stock),
            _ => None,
        })
        .collect();
    let stock: Vec<_> = stock.into_iter().collect();
    if !stock.is_empty() {
        held_rows.note(held_rows.look_at_stock(tx.connection(), &stock).await?);
    }
    planned.set_aside(|index, _| {
        let held = held_rows.among(needs.of(index));
        (!held.is_empty()).then_some(Outcome::Held(held))
    });
    Ok(())
}

/// Sets the members aside that are too large: a cart of many lines goes to the slow lane, where it
/// delays no other, and members that exceed the limits of one transaction wait for the next.
pub(super) fn set_heavy_aside(
    context: &BatchContext,
    members: &[CheckoutMember],
    planned: &mut Planned,
) {
    let mut left = context.batch_lines_max;
    let mut is_first = true;
    let heavy = context.heavy_from();
    planned.set_aside(|index, plan| {
        let lines = plan.lines();
        let is_news = members[index].notes.lines.is_none();
        if lines > heavy && is_news && members.len() > 1 {
            return Some(Outcome::TooMuch { lines });
        }
        let fits = lines <= left || is_first;
        is_first = false;
        if fits {
            left = left.saturating_sub(lines);
            return None;
        }
        // No later member overtakes this one.
        left = 0;
        Some(Outcome::TooMuch { lines })
    });
}
