//! Decides, with the carts locked, whether they are what their clients expect (RFC 9110, 13.2.2).

use std::collections::HashMap;

use sqlx::PgConnection;

use crate::{
    db,
    domain::{cart::CartHead, precondition::CartTag},
};

use super::{
    Decision, FreezeCart, Refusal,
    freeze::Tries,
    judge::{Priced, repeat},
};

/// What there was before a cart is written.
#[derive(Clone, Copy, Debug)]
pub(super) enum Before {
    /// The client does not say what it expects, so nobody depends on what there was.
    Whatever,
    /// This cart; it is locked.
    Cart,
    /// None. There is nothing to lock, so another instance may be faster.
    None,
}

impl Before {
    /// Whether somebody else has started a cart since.
    pub(super) const fn is_overtaken(self, written: &CartHead) -> bool {
        matches!(self, Self::None) && written.version > 1
    }
}

/// What there was where the precondition holds, else the decision: one per command, in their order. All
/// active carts of the buyers stay locked.
pub(super) async fn judge(
    connection: &mut PgConnection,
    priced: &[(&FreezeCart, &Priced)],
    tries: &Tries,
) -> Result<Vec<Result<Before, Decision>>, db::Error> {
    let buyers: Vec<_> = priced.iter().map(|(_, it)| it.new.buyer_store_id).collect();
    let current: HashMap<_, _> = db::carts::lock_active(connection, &buyers)
        .await?
        .into_iter()
        .collect();
    let mut judged: Vec<_> = priced
        .iter()
        .map(|(command, it)| {
            let current = current.get(&it.new.buyer_store_id).copied();
            judge_one(command, current)
        })
        .collect();
    let refused: Vec<_> = (0..)
        .zip(&judged)
        .filter_map(|(index, judged)| judged.is_err().then_some(index))
        .collect();
    if refused.is_empty() {
        return Ok(judged);
    }
    // A retry expects what there was before its first attempt. Nobody else can be at work on its key now
    // without waiting for the cart.
    let scopes: Vec<_> = refused
        .iter()
        .map(|&index: &usize| priced[index].0.scope)
        .collect();
    let answers = db::carts::find_first_answers(connection, &scopes).await?;
    for (index, answer) in refused.into_iter().zip(answers) {
        if let Some(answer) = answer {
            judged[index] = Err(repeat(answer, priced[index].0, tries));
        }
    }
    Ok(judged)
}

fn judge_one(command: &FreezeCart, current: Option<CartTag>) -> Result<Before, Decision> {
    if !command.precondition.is_given() {
        return Ok(Before::Whatever);
    }
    if !command.precondition.holds(current) {
        return Err(Decision::Refused(Refusal::PreconditionFailed { current }));
    }
    Ok(current.map_or(Before::None, |_| Before::Cart))
}
