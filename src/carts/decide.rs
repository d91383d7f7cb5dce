//! Decides each command as far as that can be done before anything is written, in this order: the caller, a
//! key that was used before, the store's licence, the rules.

use std::time::Duration;

use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::{
    db::{self, carts::NewCart},
    domain::{
        caller::{Access, Member},
        cart::{CartHead, CartRecord, PricedCart},
        ids::{CartId, CartItemId},
        rules::{self, Catalog},
    },
};

use super::{
    Decision, FreezeCart, NamedCart, Refusal,
    attempts::{EarlierAttempts, answer_again},
};

/// The longest time of the first statement on a connection: a connection that does not answer it is lost.
const FIRST_ANSWER_WAIT_MAX: Duration = Duration::from_secs(1);

/// The moment at which keys are looked up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LookUp {
    /// Only if a licence or a rule refuses a cart: the request may be a retry of one that was frozen while
    /// they allowed it.
    IfRefused,
    /// Before anything is decided.
    First,
}

/// The outcomes so far, one per command, in their order.
pub(super) struct Decided {
    /// A cart that may be saved, or a decision.
    pub outcomes: Vec<Result<Priced, Decision>>,
    /// The time by PostgreSQL's clock.
    pub now: DateTime<Utc>,
}

/// A cart that may be saved.
pub(super) struct Priced {
    pub new: NewCart,
    pub cart: PricedCart,
    catalog: Catalog,
}

impl Priced {
    /// The cart as it is saved.
    pub fn saved(&self, head: CartHead, ids: &[CartItemId]) -> NamedCart {
        let vendors = self.catalog.vendors.iter();
        NamedCart {
            cart: CartRecord {
                head,
                items: ids.iter().copied().zip(self.cart.lines.clone()).collect(),
                discounts: self.cart.discounts.clone(),
            },
            vendor_names: vendors
                .map(|(id, store)| (*id, store.name.clone()))
                .collect(),
        }
    }
}

/// Reads what the commands depend on, and decides as much as it can.
pub(super) async fn decide(
    connection: &mut PgConnection,
    commands: &[&FreezeCart],
    look_up: LookUp,
    earlier: &EarlierAttempts,
) -> Result<Decided, db::Error> {
    let callers: Vec<_> = commands
        .iter()
        .map(|command| (command.user_id, command.store_id))
        .collect();
    let found = db::stores::find_memberships_and_time(connection, &callers);
    let (memberships, now) =
        db::in_time(FIRST_ANSWER_WAIT_MAX, "look up the callers", found).await?;
    // Without any known caller no cart is saved, so nothing needs the time.
    let now = now.unwrap_or_default();
    let requests: Vec<_> = commands
        .iter()
        .map(|command| &command.request.content)
        .collect();
    let catalogs = db::catalog::load_for(connection, &requests).await?;
    let inputs = commands.iter().zip(memberships).zip(catalogs);
    let mut outcomes: Vec<_> = inputs
        .map(|((command, membership), catalog)| {
            let member =
                Member::admit(membership.as_ref(), Access::Change).map_err(Refusal::Forbidden)?;
            let buyer = member.of_eligible_buyer(now).map_err(Refusal::MayNotBuy)?;
            let cart = rules::check_cart(&command.request, &catalog, &buyer, now)
                .map_err(Refusal::Invalid)?;
            let new = NewCart {
                id: CartId::new(Uuid::now_v7()),
                buyer_store_id: buyer.id,
                user_id: command.user_id,
                now,
            };
            Ok(Priced { new, cart, catalog })
        })
        .map(|outcome| outcome.map_err(Decision::Refused))
        .collect();
    let may_be_a_retry = |outcome: &Result<_, _>| matches!(outcome, Err(Decision::Refused(refusal)) if refusal.comes_after_the_key());
    if look_up == LookUp::First || outcomes.iter().any(may_be_a_retry) {
        let scopes: Vec<_> = commands.iter().map(|command| command.scope).collect();
        let answers = db::carts::find_first_answers(connection, &scopes).await?;
        for ((outcome, answer), command) in outcomes.iter_mut().zip(answers).zip(commands) {
            // A key is decided after its caller and before the rules.
            if let Some(answer) = answer.filter(|_| outcome.is_ok() || may_be_a_retry(outcome)) {
                *outcome = Err(answer_again(answer, command, earlier));
            }
        }
    }
    Ok(Decided { outcomes, now })
}
