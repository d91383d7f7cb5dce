//! Rows that a session of somebody else holds.

use std::time::Instant;

use splitcart::http::paths::CHECKOUT;
use sqlx::{AssertSqlSafe, PgConnection};
use tokio::time::sleep;
use uuid::Uuid;

use crate::{
    field::{Field, Struck},
    stage::{Stage, execute},
};

/// An open transaction that holds rows.
pub(super) struct Holder {
    pub(super) connection: PgConnection,
    backend: i32,
    transaction: String,
}

impl Holder {
    pub(super) async fn begin(stage: &Stage) -> anyhow::Result<Self> {
        let mut connection = stage.connect().await?;
        execute(&mut connection, "begin").await?;
        let (backend, transaction) =
            sqlx::query_as("select pg_backend_pid(), pg_current_xact_id()::text")
                .fetch_one(&mut connection)
                .await?;
        Ok(Self {
            connection,
            backend,
            transaction,
        })
    }

    async fn end(mut self) -> anyhow::Result<()> {
        execute(&mut self.connection, "rollback").await?;
        Ok(())
    }

    /// How many rows it holds, as another session sees them.
    pub(super) async fn holds(
        &self,
        stage: &mut Stage,
        table: &str,
        key: &str,
        ids: &[Uuid],
    ) -> anyhow::Result<i64> {
        // Every part of it stands in this file.
        let text =
            format!("select count(*) from {table} where {key} = any($1) and xmax::text = $2");
        let count = sqlx::query_scalar(AssertSqlSafe(text))
            .bind(ids)
            .bind(&self.transaction)
            .fetch_one(&mut stage.connection)
            .await?;
        Ok(count)
    }

    /// Whether it is still open.
    async fn is_open(&self, stage: &mut Stage) -> anyhow::Result<bool> {
        let open = sqlx::query_scalar(
            "select exists (select from pg_stat_activity \
             where pid = $1 and state = 'idle in transaction')",
        );
        Ok(open
            .bind(self.backend)
            .fetch_one(&mut stage.connection)
            .await?)
    }
}

/// Stock rows that some carts want.
pub async fn stock_rows(field: &mut Field<'_>) -> anyhow::Result<Struck> {
    let ids: Vec<_> = field.carts.touched.iter().map(|id| id.uuid()).collect();
    hold(field, "inventory_items", "product_id", ids).await
}

/// The carts of those who come next.
pub async fn cart_rows(field: &mut Field<'_>) -> anyhow::Result<Struck> {
    let ids = coming_carts(field);
    hold(field, "cart_records", "id", ids).await
}

fn coming_carts(field: &Field<'_>) -> Vec<Uuid> {
    let coming = field.load.in_need.borrow();
    let carts = coming.iter().map(|it| field.carts.all[it.cart].id.uuid());
    carts.collect()
}

async fn hold(
    field: &mut Field<'_>,
    table: &str,
    key: &str,
    ids: Vec<Uuid>,
) -> anyhow::Result<Struck> {
    let mut holder = Holder::begin(field.stage).await?;
    let text = format!("select from {table} where {key} = any($1) order by {key} for update");
    sqlx::query(AssertSqlSafe(text))
        .bind(&ids)
        .execute(&mut holder.connection)
        .await?;
    let began = Instant::now();
    let at_first = holder.holds(field.stage, table, key, &ids).await?;
    sleep(field.lasts).await;
    let at_last = holder.holds(field.stage, table, key, &ids).await?;
    let is_open = holder.is_open(field.stage).await?;
    holder.end().await?;
    let all = i64::try_from(ids.len())?;
    Ok(Struck::since(
        began,
        is_open && at_first == all && at_last == all && all > 0,
        format!("{at_first} rows of {table} held by another session, {at_last} at the end"),
    ))
}

/// A vendor's name, changed but not committed.
pub async fn store_row(field: &mut Field<'_>) -> anyhow::Result<Struck> {
    let vendor = field.stage.catalogue.vendor();
    let mut holder = Holder::begin(field.stage).await?;
    sqlx::query("update stores set name = name || ' & Sons' where id = $1")
        .bind(vendor)
        .execute(&mut holder.connection)
        .await?;
    let began = Instant::now();
    let at_first = is_being_changed(field.stage, vendor).await?;
    sleep(field.lasts).await;
    let at_last = is_being_changed(field.stage, vendor).await?;
    let is_open = holder.is_open(field.stage).await?;
    holder.end().await?;
    let (users, all) = carts_of(field, vendor);
    Ok(Struck::since(
        began,
        is_open && at_first && at_last && users > 0,
        format!(
            "1 row of stores changed and uncommitted for all of it ({at_first}, {at_last}), of a vendor \
             in {users} of the others' {all} carts"
        ),
    ))
}

/// Whether somebody has changed the row and not committed. (Those who refer to it hold it, too, which
/// is no obstacle to a share of it.)
async fn is_being_changed(stage: &mut Stage, store: Uuid) -> anyhow::Result<bool> {
    let free = sqlx::query("select from stores where id = $1 for share skip locked");
    let free = free.bind(store).fetch_all(&mut stage.connection).await?;
    Ok(free.is_empty())
}

fn carts_of(field: &Field<'_>, vendor: Uuid) -> (usize, usize) {
    let others = &field.carts.all[..field.carts.others];
    let has = |lines: &[splitcart::domain::cart::CartLine]| {
        lines.iter().any(|it| it.vendor_store_id.uuid() == vendor)
    };
    let users = others.iter().filter(|cart| has(&cart.lines)).count();
    (users, others.len())
}

/// The rows of the keys of those who come next, inserted but not committed.
pub async fn key_rows(field: &mut Field<'_>) -> anyhow::Result<Struck> {
    let (mut users, mut stores, mut keys) = (Vec::new(), Vec::new(), Vec::new());
    for coming in field.load.in_need.borrow().iter() {
        let buyer = field.carts.all[coming.cart].buyer;
        if let Some(key) = coming.request.key() {
            users.push(buyer.user_id.uuid());
            stores.push(buyer.store_id.uuid());
            keys.push(key.to_owned());
        }
    }
    let mut holder = Holder::begin(field.stage).await?;
    let done = sqlx::query(
        "insert into idempotency_keys (user_id, store_id, method, path, key, request_fingerprint, \
            checkout_group_id, response_status, response_body, expires_at) \
         select n.user_id, n.store_id, 'POST', $4, n.key, '\\x00', g.id, 201, '\\x00', \
            now() + interval '1 day' \
         from unnest($1::uuid[], $2::uuid[], $3::text[]) as n (user_id, store_id, key), \
            (select id from checkout_groups limit 1) as g \
         on conflict do nothing",
    )
    .bind(&users)
    .bind(&stores)
    .bind(&keys)
    .bind(CHECKOUT)
    .execute(&mut holder.connection)
    .await?;
    let began = Instant::now();
    sleep(field.lasts).await;
    let is_open = holder.is_open(field.stage).await?;
    holder.end().await?;
    let rows = done.rows_affected();
    Ok(Struck::since(
        began,
        // One may have come in the moment before.
        is_open && rows > 0 && rows + 1 >= keys.len() as u64,
        format!("{rows} keys' rows inserted by another session, uncommitted for all of it"),
    ))
}
