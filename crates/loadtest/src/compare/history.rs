//! What the comparison's database has beside the `past`: full stock, the probe's vendor, the textbook's
//! table.

use catalogue::seed;
use private_servers::EmbeddedServices;
use secrecy::SecretString;
use splitcart::{db, domain::ids::VendorStoreId};
use sqlx::PgConnection;

/// As much as the load test fills up to, so that nothing has to change later.
const PLENTY: i32 = 1_000_000_000;

/// The seed's number of the vendor that load tests pass over, because its subscription ends within a
/// day: it is the probe's alone (see `overload`).
pub const PROBED_VENDOR: u32 = 1;

/// A connection for what is done between measurements.
pub async fn connect(services: &EmbeddedServices) -> anyhow::Result<PgConnection> {
    let url = SecretString::from(services.database_url());
    Ok(db::pool::connect(&url).await?)
}

/// Prepares a seeded catalogue: full stock, the probe's vendor, the textbook's table.
pub async fn prepare(connection: &mut PgConnection, seed: u64) -> anyhow::Result<()> {
    sqlx::query("update inventory_items set available_qty = $1")
        .bind(PLENTY)
        .execute(&mut *connection)
        .await?;
    sqlx::query(
        "update subscriptions set current_period_end = now() + interval '20 hours' \
         where vendor_store_id = $1",
    )
    .bind(VendorStoreId::new(seed::vendor_store_id(
        seed,
        PROBED_VENDOR,
    )))
    .execute(&mut *connection)
    .await?;
    sqlx::query("create table textbook_carts (nr integer primary key, cart_id uuid not null)")
        .execute(connection)
        .await?;
    Ok(())
}

/// An answer that ours has given, for the textbook to write.
pub async fn an_answer(connection: &mut PgConnection) -> anyhow::Result<String> {
    let answer = sqlx::query_scalar(
        "select convert_from(response_body, 'UTF8') from idempotency_keys order by key limit 1",
    );
    Ok(answer.fetch_one(connection).await?)
}

/// How many events nobody has published yet.
pub async fn unpublished(connection: &mut PgConnection) -> anyhow::Result<i64> {
    let count = sqlx::query_scalar("select count(*) from outbox_events where published_at is null");
    Ok(count.fetch_one(connection).await?)
}
