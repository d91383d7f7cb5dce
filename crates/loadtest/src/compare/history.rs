//! The data of the comparison beside `db::past`: full stock, the probe's vendor, the textbook's
//! table.

use catalogue::seed;
use private_servers::EmbeddedServices;
use secrecy::SecretString;
use splitcart::{db::pool, domain::ids::VendorStoreId};
use sqlx::PgConnection;

use crate::db::compare as db;

/// As much as the load test fills up to, so that nothing has to change later.
const PLENTY: i32 = 1_000_000_000;

/// The seed's number of the vendor that load tests pass over, because its subscription ends within a
/// day: it is the probe's alone (see `overload`).
pub const PROBED_VENDOR: u32 = 1;

/// A connection for what is done between measurements.
pub async fn connect(services: &EmbeddedServices) -> anyhow::Result<PgConnection> {
    let url = SecretString::from(services.database_url());
    Ok(pool::connect(&url).await?)
}

/// Prepares a seeded catalogue: full stock, the probe's vendor, the textbook's table.
pub async fn prepare(connection: &mut PgConnection, seed: u64) -> anyhow::Result<()> {
    let vendor = VendorStoreId::new(seed::vendor_store_id(seed, PROBED_VENDOR));
    db::fill_stock(connection, PLENTY).await?;
    db::end_subscription_soon(connection, vendor).await?;
    db::create_textbook_carts(connection).await?;
    Ok(())
}
