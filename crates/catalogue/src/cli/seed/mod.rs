//! `splitcart seed`: fills an empty database with a demo catalogue.
//!
//! Owns the command's options. What the rows say is `seed`'s, how they are written is `db::bulk`'s,
//! in which order is `load`'s. It does not connect: [`run`] and
//! [`load()`](load()) take a connection, so that `demo` can load in silence.

mod load;

use std::path::Path;

use chrono::Utc;
use clap::Args;
use sqlx::PgConnection;
use terminal::Screen;

use splitcart::{
    cli::services::{self, Services},
    config::Config,
    db,
};

use crate::seed::SeedPlan;

pub use load::{LoadedTable, Progress, Summary, load};

/// Three orders in each of seven states.
const ORDERS_DEFAULT: u32 = 21;

const EXAMPLES: &str = "\
Examples:
  splitcart seed                                      200 vendors, 10,000 products, 1,000 buyers,
                                                      21 orders in every state
  splitcart seed --vendors 20 --products 500          a small catalogue
  splitcart seed --vendors 100000 --products 1000000  a large one, in about a minute
  splitcart seed --seed 7                             other names, prices and ids

The same numbers always make the same catalogue, with dates counted from now. Vendors 1 to 19 may
always sell; every 20th is in a neighbouring state, every 25th has an expired licence, every 30th
has not paid its subscription. Product 13 has a purchase limit. Buyers 2 to 4 have an order in each
state, of eight days ago: those that wait for a decision expire when they are ten days old.";

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
    /// Orders to make, of buyers 2 to 4, in every state in turn [default: 21, or none if there are too few
    /// products for them]
    #[arg(long, value_name = "COUNT")]
    pub orders: Option<u32>,
    /// Which catalogue to make: another number gives other names, prices and ids
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    pub seed: u64,
}

impl SeedArgs {
    /// The plan that is asked for; [`load()`] checks it.
    pub fn plan(&self) -> SeedPlan {
        let without_orders = SeedPlan {
            vendors: self.vendors,
            products: self.products,
            buyers: self.buyers,
            orders: 0,
            seed: self.seed,
        };
        let orders = self.orders.unwrap_or_else(|| {
            if without_orders.has_room_for(ORDERS_DEFAULT) {
                ORDERS_DEFAULT
            } else {
                0
            }
        });
        SeedPlan {
            orders,
            ..without_orders
        }
    }
}

/// Connects, applies missing migrations, and runs the command.
///
/// # Errors
/// PostgreSQL can't be reached, or see [`load()`](load()).
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
/// See [`load()`].
pub async fn run(args: &SeedArgs, conn: &mut PgConnection) -> anyhow::Result<()> {
    let screen = Screen::on_stderr();
    let loaded = load(&args.plan(), Utc::now(), conn, &|progress| {
        show(&screen, progress);
    })
    .await;
    screen.close();
    println!("{}", table(&loaded?));
    Ok(())
}

/// A log gets one line per table.
fn show(screen: &Screen, progress: Progress) {
    screen.show(progress.table, progress.rows, progress.total);
    if !screen.is_watched() && progress.table_rows == progress.table_total {
        let rows = terminal::count(progress.table_rows);
        screen.say(format!("loaded {rows} rows into {}", progress.table));
    }
}

/// The number of rows for each table, and the time that they took.
fn table(summary: &Summary) -> terminal::Table {
    let mut table = terminal::table(&["table", "rows", "seconds"], 1..3);
    for loaded in &summary.tables {
        table.add_row([
            loaded.table.to_owned(),
            terminal::count(loaded.rows),
            format!("{:.2}", loaded.elapsed.as_secs_f64()),
        ]);
    }
    let rows = summary.tables.iter().map(|loaded| loaded.rows).sum();
    table.add_row([
        "all, committed and analyzed".to_owned(),
        terminal::count(rows),
        format!("{:.2}", summary.elapsed.as_secs_f64()),
    ]);
    table
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_table_ends_with_all_rows() {
        let loaded = |table, rows| LoadedTable {
            table,
            rows,
            elapsed: Duration::from_millis(250),
        };
        let summary = Summary {
            tables: vec![loaded("users", 1_100), loaded("stores", 1_200)],
            elapsed: Duration::from_secs(1),
        };
        let text = table(&summary).to_string();
        let last = text.lines().rev().nth(1).unwrap();
        assert!(text.contains("1,100") && text.contains("0.25"));
        assert!(last.contains("2,300") && last.contains("1.00"), "{last}");
    }
}
