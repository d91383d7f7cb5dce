//! Previews: a checkout by the same rules, which is not carried out. Nothing is written or locked, and no
//! actor is asked: the stock is what the snapshot shows, and may be gone a moment later.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::{
    db,
    domain::{
        cart::CartHead,
        checkout::CheckoutRequest,
        order::Checkout,
        refusal::Refusal,
        reservation::{allocate, purchases_to_count},
        store::EligibleBuyer,
        terms::Terms,
    },
};

use super::loaded_carts::LoadedCarts;

/// The result of a preview.
#[derive(Debug)]
pub enum Previewed {
    /// The checkout would be carried out.
    Checkout(Box<Preview>),
    /// The checkout would be refused.
    Refused(Refusal),
}

/// A checkout that was not carried out.
#[derive(Debug)]
pub struct Preview {
    /// The cart that would be bought.
    pub cart: CartHead,
    /// The orders that would be created. Their ids name nothing.
    pub checkout: Checkout,
}

/// Previews a checkout. Call it inside a `repeatable read` transaction, so that everything is read at one
/// moment.
///
/// # Errors
/// A statement failed.
pub async fn preview(
    connection: &mut PgConnection,
    request: CheckoutRequest,
    buyer: EligibleBuyer,
    terms: Terms,
    now: DateTime<Utc>,
) -> Result<Previewed, db::Error> {
    let asked = request.asked_cart();
    let carts = db::carts::find(connection, &[asked]).await?;
    let Some(cart) = carts.get(&asked).cloned() else {
        return Ok(Previewed::Refused(Refusal::CartNotFound));
    };
    let mut carts = LoadedCarts::load(connection, carts).await?;
    let plan = match carts.plan(request, buyer, terms, now) {
        Ok(plan) => plan,
        Err(refusal) => return Ok(Previewed::Refused(refusal)),
    };
    let bids = [plan.bid()];
    let bought = db::orders::count_bought(connection, &purchases_to_count(&bids)).await?;
    let allocation = allocate(&bids, carts.available(), &bought);
    let [outcomes] = &allocation.outcomes[..] else {
        unreachable!("one bid, one outcome");
    };
    Ok(match plan.settle(outcomes, &mut Uuid::now_v7, now) {
        Ok(checkout) => Previewed::Checkout(Box::new(Preview { cart, checkout })),
        Err(refusal) => Previewed::Refused(refusal),
    })
}
