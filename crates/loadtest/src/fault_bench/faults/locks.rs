//! Rows that another session holds.

use std::time::Instant;

use splitcart::http::paths::CHECKOUT;
use sqlx::PgConnection;
use tokio::time::sleep;
use uuid::Uuid;

use crate::{
    db::faults::{self, Rows},
    fault_bench::{
        environment::Environment,
        fault_context::{FaultContext, Struck},
    },
};

/// An open transaction that holds rows.
pub(super) struct Holder {
    pub(super) connection: PgConnection,
    backend: i32,
    transaction: String,
}

impl Holder {
    pub(super) async fn begin(environment: &Environment) -> anyhow::Result<Self> {
        let mut connection = environment.connect().await?;
        let (backend, transaction) = faults::open(&mut connection).await?;
        Ok(Self {
            connection,
            backend,
            transaction,
        })
    }

    async fn end(mut self) -> anyhow::Result<()> {
        Ok(faults::undo(&mut self.connection).await?)
    }

    /// The number of rows that it holds, as another session sees them.
    pub(super) async fn holds(
        &self,
        environment: &mut Environment,
        rows: Rows,
        ids: &[Uuid],
    ) -> anyhow::Result<i64> {
        let connection = &mut environment.connection;
        Ok(faults::held_rows(connection, rows, ids, &self.transaction).await?)
    }

    /// True while it is open.
    async fn is_open(&self, environment: &mut Environment) -> anyhow::Result<bool> {
        Ok(faults::is_open(&mut environment.connection, self.backend).await?)
    }
}

/// Locks stock rows that some carts need.
pub async fn stock_rows(context: &mut FaultContext<'_>) -> anyhow::Result<Struck> {
    let ids: Vec<_> = context.carts.touched.iter().map(|id| id.uuid()).collect();
    hold(context, Rows::Stock, ids).await
}

/// The carts of the next checkouts.
pub async fn cart_rows(context: &mut FaultContext<'_>) -> anyhow::Result<Struck> {
    let ids = coming_carts(context);
    hold(context, Rows::Carts, ids).await
}

fn coming_carts(context: &FaultContext<'_>) -> Vec<Uuid> {
    let coming = context.load.in_need.borrow();
    let carts = coming.iter().map(|it| context.carts.all[it.cart].id.uuid());
    carts.collect()
}

async fn hold(
    context: &mut FaultContext<'_>,
    rows: Rows,
    ids: Vec<Uuid>,
) -> anyhow::Result<Struck> {
    let mut holder = Holder::begin(context.environment).await?;
    faults::hold(&mut holder.connection, rows, &ids).await?;
    let began = Instant::now();
    let at_first = holder.holds(context.environment, rows, &ids).await?;
    sleep(context.lasts).await;
    let at_last = holder.holds(context.environment, rows, &ids).await?;
    let is_open = holder.is_open(context.environment).await?;
    holder.end().await?;
    let all = i64::try_from(ids.len())?;
    Ok(Struck::since(
        began,
        is_open && at_first == all && at_last == all && all > 0,
        format!(
            "{at_first} rows of {} held by another session, {at_last} at the end",
            rows.table()
        ),
    ))
}

/// Changes a vendor's name and does not commit.
pub async fn store_row(context: &mut FaultContext<'_>) -> anyhow::Result<Struck> {
    let vendor = context.environment.catalogue.vendor();
    let mut holder = Holder::begin(context.environment).await?;
    faults::rename_store(&mut holder.connection, vendor).await?;
    let began = Instant::now();
    let at_first = faults::is_being_changed(&mut context.environment.connection, vendor).await?;
    sleep(context.lasts).await;
    let at_last = faults::is_being_changed(&mut context.environment.connection, vendor).await?;
    let is_open = holder.is_open(context.environment).await?;
    holder.end().await?;
    let (users, all) = carts_of(context, vendor);
    Ok(Struck::since(
        began,
        is_open && at_first && at_last && users > 0,
        format!(
            "1 row of stores changed and uncommitted for all of it ({at_first}, {at_last}), of a vendor \
             in {users} of the others' {all} carts"
        ),
    ))
}

fn carts_of(context: &FaultContext<'_>, vendor: Uuid) -> (usize, usize) {
    let others = &context.carts.all[..context.carts.others];
    let has = |lines: &[splitcart::domain::cart::CartLine]| {
        lines.iter().any(|it| it.vendor_store_id.uuid() == vendor)
    };
    let users = others.iter().filter(|cart| has(&cart.lines)).count();
    (users, others.len())
}

/// Inserts the rows of the next checkouts' keys and does not commit.
pub async fn key_rows(context: &mut FaultContext<'_>) -> anyhow::Result<Struck> {
    let (mut users, mut stores, mut keys) = (Vec::new(), Vec::new(), Vec::new());
    for coming in context.load.in_need.borrow().iter() {
        let buyer = context.carts.all[coming.cart].buyer;
        if let Some(key) = coming.request.key() {
            users.push(buyer.user_id.uuid());
            stores.push(buyer.store_id.uuid());
            keys.push(key.to_owned());
        }
    }
    let mut holder = Holder::begin(context.environment).await?;
    let rows =
        faults::insert_keys(&mut holder.connection, &users, &stores, &keys, CHECKOUT).await?;
    let began = Instant::now();
    sleep(context.lasts).await;
    let is_open = holder.is_open(context.environment).await?;
    holder.end().await?;
    Ok(Struck::since(
        began,
        // A checkout may have been sent in the moment before.
        is_open && rows > 0 && rows + 1 >= keys.len() as u64,
        format!("{rows} keys' rows inserted by another session, uncommitted for all of it"),
    ))
}
