//! `splitcart migrate`: applies the migrations that are missing.

use std::path::Path;

use crate::{config::Config, db};

use super::services::{Services, Urls};

/// Applies them and says how many there were.
///
/// # Errors
/// PostgreSQL can't be reached, or a migration failed.
pub async fn run(config: &Config, data_dir: Option<&Path>) -> anyhow::Result<()> {
    match Services::during(config, data_dir, apply).await? {
        0 => println!("The database is up to date."),
        1 => println!("Applied 1 migration."),
        applied => println!("Applied {applied} migrations."),
    }
    Ok(())
}

async fn apply(urls: &Urls) -> anyhow::Result<usize> {
    let mut connection = db::pool::connect(&urls.database).await?;
    let missing = db::migrations::missing_migrations(&mut connection).await?;
    db::migrations::migrate(&mut connection).await?;
    Ok(missing)
}
