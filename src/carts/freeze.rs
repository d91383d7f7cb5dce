//! Checks and prices carts, and makes each the active one of its buyer, in one transaction.

use std::time::Duration;

use chrono::{DateTime, SubsecRound, Utc};
use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

use crate::{
    db::{
        self,
        carts::{NewCart, NewDiscount, NewLine},
    },
    domain::{
        caller::{Access, Caller},
        cart::{CartHead, CartRecord, PricedCart},
        ids::{CartId, CartItemId, CartVendorDiscountId},
        rules::{self, Catalog},
    },
};

use super::{Decision, FreezeCart, NamedCart, Refusal};

/// Decides each command, in the same order. A buyer may be named once. `lock_wait_max` is how long
/// to wait for a cart that is being bought; `None` leaves it to the pool.
///
/// # Errors
/// A failed statement: nothing was changed, unless the commit's outcome is unknown.
pub async fn freeze(
    pool: &PgPool,
    commands: &[&FreezeCart],
    lock_wait_max: Option<Duration>,
) -> Result<Vec<Decision>, db::Error> {
    // PostgreSQL keeps microseconds; an answer must show the same time when it is read back.
    let now = Utc::now().trunc_subsecs(6);
    let mut connection = db::pool::acquire(pool).await?;
    let judged = judge(&mut connection, commands, now).await?;
    let priced: Vec<_> = judged.iter().filter_map(|it| it.as_ref().ok()).collect();
    if priced.is_empty() {
        return Ok(judged.into_iter().map(refused).collect());
    }
    let mut transaction = db::pool::begin_on(&mut connection).await?;
    if let Some(wait_max) = lock_wait_max {
        db::pool::wait_for_locks(&mut transaction, wait_max).await?;
    }
    let carts: Vec<_> = priced.iter().map(|it| (it.new, &it.cart)).collect();
    let heads = db::carts::upsert_active(&mut transaction, &carts).await?;
    let written = write_lines(&mut transaction, &heads, &priced, now).await?;
    db::pool::commit(transaction).await?;
    let mut heads = heads.into_iter().zip(written);
    let decisions = judged.into_iter().map(|it| {
        let priced = it?;
        let (head, ids) = heads.next().expect("every priced cart was saved");
        Ok(priced.saved(head, ids))
    });
    Ok(decisions.collect())
}

/// A cart that may be saved.
struct Priced {
    new: NewCart,
    cart: PricedCart,
    catalog: Catalog,
}

impl Priced {
    fn saved(self, head: CartHead, ids: Vec<CartItemId>) -> NamedCart {
        let vendors = self.catalog.vendors.into_iter();
        NamedCart {
            cart: CartRecord {
                head,
                items: ids.into_iter().zip(self.cart.lines).collect(),
                discounts: self.cart.discounts,
            },
            vendor_names: vendors.map(|(id, store)| (id, store.name)).collect(),
        }
    }
}

fn refused(judged: Result<Priced, Refusal>) -> Decision {
    Err(judged.err().expect("no cart was priced"))
}

async fn judge(
    connection: &mut PgConnection,
    commands: &[&FreezeCart],
    now: DateTime<Utc>,
) -> Result<Vec<Result<Priced, Refusal>>, db::Error> {
    let callers: Vec<_> = commands
        .iter()
        .map(|it| (it.user_id, it.store_id))
        .collect();
    let memberships = db::stores::find_memberships(connection, &callers).await?;
    let requests: Vec<_> = commands.iter().map(|it| &it.request).collect();
    let catalogs = db::catalog::load_for(connection, &requests).await?;
    let judged = commands.iter().zip(memberships).zip(catalogs);
    let judged = judged.map(|((command, membership), catalog)| {
        let caller = Caller::admit(command.user_id, membership.as_ref(), Access::Change, now)
            .map_err(Refusal::Forbidden)?;
        let cart = rules::check_cart(&command.request, &catalog, &caller.buyer, now)
            .map_err(Refusal::Invalid)?;
        let new = NewCart {
            id: CartId::new(Uuid::now_v7()),
            buyer_store_id: caller.buyer.id,
            user_id: caller.user_id,
            now,
        };
        Ok(Priced { new, cart, catalog })
    });
    Ok(judged.collect())
}

/// Replaces the lines and discounts; returns the ids of the lines, by cart.
async fn write_lines(
    connection: &mut PgConnection,
    heads: &[CartHead],
    priced: &[&Priced],
    now: DateTime<Utc>,
) -> Result<Vec<Vec<CartItemId>>, db::Error> {
    let replaced: Vec<_> = heads
        .iter()
        .filter(|head| head.version > 1)
        .map(|head| head.id)
        .collect();
    if !replaced.is_empty() {
        db::carts::clear_lines(connection, &replaced).await?;
    }
    let mut ids = Vec::with_capacity(heads.len());
    let mut lines = Vec::new();
    let mut discounts = Vec::new();
    for (head, priced) in heads.iter().zip(priced) {
        let first = lines.len();
        lines.extend(
            (0..)
                .zip(&priced.cart.lines)
                .map(|(position, line)| NewLine {
                    cart_id: head.id,
                    id: CartItemId::new(Uuid::now_v7()),
                    position,
                    line,
                }),
        );
        ids.push(lines[first..].iter().map(|new| new.id).collect());
        discounts.extend(priced.cart.discounts.iter().map(|granted| NewDiscount {
            cart_id: head.id,
            id: CartVendorDiscountId::new(Uuid::now_v7()),
            granted,
        }));
    }
    db::carts::insert_lines(connection, &lines, now).await?;
    if !discounts.is_empty() {
        db::carts::insert_discounts(connection, &discounts, now).await?;
    }
    Ok(ids)
}
