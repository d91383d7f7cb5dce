//! `splitcart migrate`: applies the migrations that are missing.

use std::path::Path;

use crate::{config::Config, db};

use super::services::Services;

/// Applies them and says how many there were.
///
/// # Errors
/// PostgreSQL can't be reached, or a migration failed.
pub async fn run(config: &Config, data_dir: Option<&Path>) -> anyhow::Result<()> {
    let services = Services::get(config, data_dir).await?;
    let applied = apply(&services).await;
    services.stop().await?;
    match applied? {
        0 => println!("The database is up to date."),
        1 => println!("Applied 1 migration."),
        applied => println!("Applied {applied} migrations."),
    }
    Ok(())
}

async fn apply(services: &Services) -> anyhow::Result<usize> {
    let mut connection = db::pool::connect(&services.urls.database).await?;
    let missing = db::pool::missing_migrations(&mut connection).await?;
    db::pool::migrate(&mut connection).await?;
    Ok(missing)
}
