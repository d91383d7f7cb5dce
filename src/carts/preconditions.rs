//! Checks preconditions while the carts are locked (RFC 9110, 13.2.2).

use std::collections::HashMap;

use sqlx::PgConnection;

use crate::{
    db,
    domain::{cart::CartHead, precondition::CartTag},
};

use super::{
    Decision, FreezeCart, Refusal,
    attempts::{EarlierAttempts, answer_again},
    decide::Priced,
};

/// The buyer's active cart before a new one is written.
#[derive(Clone, Copy, Debug)]
pub(super) enum Before {
    /// Not asked for: the client sent no precondition.
    Any,
    /// A cart that is locked now.
    Cart,
    /// No cart. There is nothing to lock, so another instance may start one first.
    None,
}

impl Before {
    /// True if another instance has started a cart since.
    pub(super) const fn is_overtaken(self, written: &CartHead) -> bool {
        matches!(self, Self::None) && written.version > 1
    }
}

/// The cart of before if the precondition holds, else the decision: one per command, in their order. All
/// active carts of the buyers stay locked.
pub(super) async fn check(
    connection: &mut PgConnection,
    priced: &[(&FreezeCart, &Priced)],
    earlier: &EarlierAttempts,
) -> Result<Vec<Result<Before, Decision>>, db::Error> {
    let buyers: Vec<_> = priced
        .iter()
        .map(|(_, priced)| priced.new.buyer_store_id)
        .collect();
    let current: HashMap<_, _> = db::carts::lock_active(connection, &buyers)
        .await?
        .into_iter()
        .collect();
    let mut checked: Vec<_> = priced
        .iter()
        .map(|(command, priced)| {
            let current = current.get(&priced.new.buyer_store_id).copied();
            check_one(command, current)
        })
        .collect();
    let refused: Vec<_> = (0..)
        .zip(&checked)
        .filter_map(|(index, checked)| checked.is_err().then_some(index))
        .collect();
    if refused.is_empty() {
        return Ok(checked);
    }
    // A retry expects the cart of before its first attempt. No other request can use its key now without
    // waiting for the cart.
    let scopes: Vec<_> = refused
        .iter()
        .map(|&index: &usize| priced[index].0.scope)
        .collect();
    let answers = db::carts::find_first_answers(connection, &scopes).await?;
    for (index, answer) in refused.into_iter().zip(answers) {
        if let Some(answer) = answer {
            checked[index] = Err(answer_again(answer, priced[index].0, earlier));
        }
    }
    Ok(checked)
}

fn check_one(command: &FreezeCart, current: Option<CartTag>) -> Result<Before, Decision> {
    if !command.precondition.is_given() {
        return Ok(Before::Any);
    }
    if !command.precondition.holds(current) {
        return Err(Decision::Refused(Refusal::PreconditionFailed { current }));
    }
    Ok(current.map_or(Before::None, |_| Before::Cart))
}
