//! `splitcart migrate`: applies the missing migrations, and lets a role serve.

use std::path::Path;

use clap::Args;

use crate::{config::Config, db};

use super::services::{self, Services, Urls};

const EXAMPLES: &str = "\
Examples:
  SPLITCART_DATABASE_URL=postgres://owner@db/splitcart splitcart migrate
                                        before the instances of a new version start
  splitcart migrate --grant-to splitcart_serving
                                        and let that role serve: it may do what serving needs, and no more

`serve` applies migrations, too, unless database.migrate_on_start is off.";

/// Apply the migrations that are missing, then end
#[derive(Args, Clone, Debug)]
#[command(after_help = EXAMPLES)]
pub struct MigrateArgs {
    /// Let this role serve. It must exist and own nothing; its other rights to splitcart's tables are revoked.
    /// Repeat this after each upgrade
    #[arg(long, value_name = "ROLE")]
    pub grant_to: Option<String>,
}

/// Applies the missing migrations and prints their number.
///
/// # Errors
/// PostgreSQL can't be reached, a migration failed, or there is no such role.
pub async fn run(
    args: &MigrateArgs,
    config: &Config,
    data_dir: Option<&Path>,
) -> anyhow::Result<()> {
    let apply = async |urls: &Urls| apply(args, urls).await;
    match Services::during(config, data_dir, apply).await? {
        0 => println!("The database is up to date."),
        1 => println!("Applied 1 migration."),
        applied => println!("Applied {applied} migrations."),
    }
    if let Some(role) = &args.grant_to {
        println!("The role {role} may serve (with SPLITCART_DATABASE_MIGRATE_ON_START=false).");
    }
    Ok(())
}

async fn apply(args: &MigrateArgs, urls: &Urls) -> anyhow::Result<usize> {
    let mut connection = services::connect(&urls.database).await?;
    let missing = db::migrations::missing_migrations(&mut connection).await?;
    db::migrations::migrate(&mut connection).await?;
    if let Some(role) = &args.grant_to {
        db::roles::let_serve(&mut connection, role).await?;
    }
    Ok(missing)
}
