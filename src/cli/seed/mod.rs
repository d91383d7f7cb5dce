//! `splitcart seed`: fills an empty database with a demo catalogue.
//!
//! Owns the command's options. What the rows say is `seed`'s, how they are written is `db::bulk`'s,
//! in which order is `load`'s, what is shown is `screen`'s. It does not connect: [`run`] and
//! [`load`](load()) take a connection, so that `demo` can load in silence.

mod load;
mod screen;

use std::path::Path;

use chrono::Utc;
use clap::Args;
use sqlx::PgConnection;

use crate::{config::Config, db, seed::SeedPlan};

use super::services::{self, Services};

pub use load::{LoadedTable, Progress, Summary, load};

const EXAMPLES: &str = "\
Examples:
  splitcart seed                                      200 vendors, 10,000 products, 1,000 buyers
  splitcart seed --vendors 20 --products 500          a small catalogue
  splitcart seed --vendors 100000 --products 1000000  a large one, in about a minute
  splitcart seed --seed 7                             other names, prices and ids

The same numbers always make the same catalogue, with dates counted from now. Vendors 1 to 19 may
always sell; every 20th is in a neighbouring state, every 25th has an expired licence, every 30th
has not paid its subscription.";

/// Fill an empty database with a demo catalogue.
#[derive(Args, Clone, Copy, Debug)]
#[command(after_help = EXAMPLES)]
pub struct SeedArgs {
    /// Vendor stores to make
    #[arg(long, value_name = "COUNT", default_value_t = 200)]
    pub vendors: u32,
    /// Products to make, dealt to the vendors in turn
    #[arg(long, value_name = "COUNT", default_value_t = 10_000)]
    pub products: u32,
    /// Buyer stores to make, each with an owner
    #[arg(long, value_name = "COUNT", default_value_t = 1_000)]
    pub buyers: u32,
    /// Which catalogue to make: another number gives other names, prices and ids
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    pub seed: u64,
}

impl SeedArgs {
    /// The plan that is asked for; [`load`] checks it.
    pub fn plan(&self) -> SeedPlan {
        SeedPlan {
            vendors: self.vendors,
            products: self.products,
            buyers: self.buyers,
            seed: self.seed,
        }
    }
}

/// Connects, applies missing migrations, and runs the command.
///
/// # Errors
/// PostgreSQL can't be reached, or see [`load`](load()).
pub async fn run_command(
    args: &SeedArgs,
    config: &Config,
    data_dir: Option<&Path>,
) -> anyhow::Result<()> {
    Services::during(config, data_dir, async |urls| {
        let mut connection = services::connect(&urls.database).await?;
        db::migrations::migrate(&mut connection).await?;
        run(args, &mut connection).await
    })
    .await
}

/// Loads on a connection, shows how far it is on stderr and what it did on stdout.
///
/// # Errors
/// See [`load`].
pub async fn run(args: &SeedArgs, conn: &mut PgConnection) -> anyhow::Result<()> {
    let screen = screen::Screen::on_stderr();
    let loaded = load(&args.plan(), Utc::now(), conn, &|progress| {
        screen.show(progress);
    })
    .await;
    screen.close();
    screen::print_summary(&loaded?);
    Ok(())
}
