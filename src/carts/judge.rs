//! Decides what can be decided before anything is written: the caller, the keys that were used before,
//! the store's licence, the rules, in this order.

use std::time::Duration;

use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::{
    db::{self, carts::NewCart},
    domain::{
        caller::{Access, Member},
        cart::{CartHead, CartRecord, PricedCart},
        idempotency::FirstCartAnswer,
        ids::{CartId, CartItemId},
        rules::{self, Catalog},
    },
};

use super::{Decision, FreezeCart, NamedCart, Refusal, freeze::Tries};

/// How long the first statement on a connection may take: one that does not answer it is lost.
const FIRST_ANSWER_WAIT_MAX: Duration = Duration::from_secs(1);

/// When keys are looked up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LookUp {
    /// Only where a licence or a rule refuses a cart: it may be a retry of one that was frozen when it did
    /// not.
    IfRefused,
    /// Before anything is decided.
    First,
}

/// What is to become of each command, in their order.
pub(super) struct Judged {
    /// What may be saved, and what is decided already.
    pub verdicts: Vec<Result<Priced, Decision>>,
    /// By PostgreSQL's clock.
    pub now: DateTime<Utc>,
}

/// A cart that may be saved.
pub(super) struct Priced {
    pub new: NewCart,
    pub cart: PricedCart,
    catalog: Catalog,
}

impl Priced {
    /// The cart as it was saved.
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

pub(super) async fn judge(
    connection: &mut PgConnection,
    commands: &[&FreezeCart],
    look_up: LookUp,
    tries: &Tries,
) -> Result<Judged, db::Error> {
    let callers: Vec<_> = commands
        .iter()
        .map(|it| (it.user_id, it.store_id))
        .collect();
    let found = db::stores::find_memberships_and_time(connection, &callers);
    let (memberships, now) = db::in_time(FIRST_ANSWER_WAIT_MAX, "ask who calls", found).await?;
    // Where nobody is known nothing gets a date.
    let now = now.unwrap_or_default();
    let requests: Vec<_> = commands.iter().map(|it| &it.request.content).collect();
    let catalogs = db::catalog::load_for(connection, &requests).await?;
    let judged = commands.iter().zip(memberships).zip(catalogs);
    let mut verdicts: Vec<_> = judged
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
        .map(|verdict| verdict.map_err(Decision::Refused))
        .collect();
    let may_be_a_retry = |verdict: &Result<_, _>| matches!(verdict, Err(Decision::Refused(refusal)) if refusal.comes_after_the_key());
    if look_up == LookUp::First || verdicts.iter().any(may_be_a_retry) {
        let scopes: Vec<_> = commands.iter().map(|command| command.scope).collect();
        let answers = db::carts::find_first_answers(connection, &scopes).await?;
        for ((verdict, answer), command) in verdicts.iter_mut().zip(answers).zip(commands) {
            // A key comes after its caller and before the rules.
            if let Some(answer) = answer.filter(|_| verdict.is_ok() || may_be_a_retry(verdict)) {
                *verdict = Err(repeat(answer, command, tries));
            }
        }
    }
    Ok(Judged { verdicts, now })
}

/// What a key that was used before decides.
pub(super) fn repeat(answer: FirstCartAnswer, command: &FreezeCart, tries: &Tries) -> Decision {
    if answer.fingerprint != command.fingerprint {
        return Decision::Refused(Refusal::KeyReused);
    }
    if tries.made(answer.created_at) {
        return Decision::Frozen(answer.response);
    }
    Decision::Replayed(answer.response)
}
