//! The inputs of a batch, read inside its transaction in a fixed number of statements.

use std::collections::{BTreeMap, HashMap};

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use crate::{
    db::{
        self,
        orders::moves::{Asked, Held, Locked},
    },
    domain::{
        caller::Membership,
        idempotency::FirstAnswer,
        ids::{CheckoutGroupId, OrderId},
        order::PlacedOrder,
        pricing::DiscountTerms,
    },
};

use super::command::{MoveCommand, Request, Target};

/// What the database says about a batch.
pub(super) struct Inputs {
    pub locked: Locked,
    /// The locked orders.
    pub orders: BTreeMap<OrderId, PlacedOrder>,
    pub discounts: HashMap<OrderId, DiscountTerms>,
    /// One per command, in the same order; `None` for what nobody has asked for.
    pub callers: Vec<Option<Caller>>,
}

/// The caller of a command.
#[derive(Clone, Debug, Default)]
pub(super) struct Caller {
    pub membership: Option<Membership>,
    pub first_answer: Option<FirstAnswer>,
}

impl Inputs {
    /// Locks the orders, and reads everything else after that, so that what the last holders of the locks
    /// have committed is seen.
    pub(super) async fn read(
        connection: &mut PgConnection,
        commands: &[&MoveCommand],
        held: Held,
        now: DateTime<Utc>,
    ) -> Result<Self, db::Error> {
        let locked = db::orders::moves::lock(connection, &asked(commands), held).await?;
        let callers = read_callers(connection, commands, now).await?;
        let groups: Vec<CheckoutGroupId> = locked.groups.keys().copied().collect();
        let ids = locked.groups.values().flat_map(|group| &group.orders);
        let ids: Vec<OrderId> = ids.copied().collect();
        let orders = db::orders::load_of_any(connection, &ids).await?;
        let discounts = if groups.is_empty() {
            HashMap::new()
        } else {
            db::orders::moves::find_discounts(connection, &groups).await?
        };
        let of_order = |placed: &PlacedOrder| {
            let key = (placed.checkout_group_id, placed.order.vendor_store_id);
            Some((placed.order.id, *discounts.get(&key)?))
        };
        Ok(Self {
            discounts: orders.iter().filter_map(of_order).collect(),
            orders: orders
                .into_iter()
                .map(|placed| (placed.order.id, placed))
                .collect(),
            locked,
            callers,
        })
    }
}

fn asked(commands: &[&MoveCommand]) -> Asked {
    let mut asked = Asked::default();
    for command in commands {
        match command.target {
            Target::Order(id) => asked.orders.push(id),
            Target::Group(id) => asked.groups.push(id),
        }
    }
    asked
}

async fn read_callers(
    connection: &mut PgConnection,
    commands: &[&MoveCommand],
    now: DateTime<Utc>,
) -> Result<Vec<Option<Caller>>, db::Error> {
    let requests = commands
        .iter()
        .filter_map(|command| command.request.as_ref());
    let scopes: Vec<_> = requests.map(|Request { scope, .. }| scope).collect();
    let mut callers = Vec::new();
    if !scopes.is_empty() {
        let members: Vec<_> = scopes
            .iter()
            .map(|scope| (scope.user_id, scope.store_id))
            .collect();
        let memberships = db::stores::find_memberships(connection, &members).await?;
        let answers = db::idempotency::find_first_answers(connection, &scopes, now).await?;
        callers = memberships
            .into_iter()
            .zip(answers)
            .map(|(membership, first_answer)| Caller {
                membership,
                first_answer,
            })
            .collect();
    }
    let mut callers = callers.into_iter();
    let of_command = |command: &&MoveCommand| command.request.as_ref().and_then(|_| callers.next());
    Ok(commands.iter().map(of_command).collect())
}
