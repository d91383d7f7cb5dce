//! `splitcart loadtest`: drives a running server over HTTP and measures it.
//!
//! It runs in a process of its own and talks to the server as any client does. The database is its
//! business only before and after: it prepares carts there, and looks up what became of them.
//!
//! | step | files |
//! |---|---|
//! | the options | `options`, `move_options`, `beside_options`, `time_option`, `picture_format`, `asked`, `checks` |
//! | the server, and a test from beginning to end | `place`, `private`, `server_process`, `trial` |
//! | the carts and their buyers | `cart_generator`, `popularity`, `buyers`, `carts` (pure) |
//! | preparation | `ready`, `prepare`, `beforehand` |
//! | for other tools | `export` |
//! | the load | `run`, `clients` (closed), `arrivals`, `schedule`, `precise_timer` (open) |
//! | the moves of the orders | `moves`, `placed` (pure) |
//! | beside the load | `stock_counts`, `counting_vendor`, `late_orders` |
//! | one request | `driver`, `requests`, `connection`, `endpoint`, `answers` |
//! | measurements | `record`, `latency`, `batches` |
//! | the results | `look`, `report`, `settings`, `soundness`, `table`, `plot`, `chart` |
//!
//! Four benchmarks are driven by it and have programs of their own: [`compare`] holds the checkout against a
//! textbook implementation and its own bars, [`fault_bench`] injects faults and measures what they cost
//! other clients, [`events_bench`] ill-treats the brokers behind the sinks and looks at what arrives, and [`events_soak`] keeps
//! events coming for a long time.

mod answers;
mod arrivals;
mod asked;
mod batches;
mod beforehand;
mod bench;
mod beside_options;
mod buyers;
mod cart_generator;
mod carts;
mod chart;
mod checks;
mod clients;
pub mod compare;
mod connection;
mod counting_vendor;
mod db;
mod driver;
mod endpoint;
pub mod events_bench;
pub mod events_soak;
mod export;
pub mod fault_bench;
mod late_orders;
mod latency;
mod look;
mod move_options;
mod moves;
mod options;
mod picture_format;
mod place;
mod placed;
mod plot;
mod popularity;
mod precise_timer;
mod prepare;
mod private;
mod ready;
mod record;
mod report;
mod requests;
mod run;
mod schedule;
mod server_process;
mod settings;
mod soundness;
mod stock_counts;
mod table;
mod time_option;
mod trial;

use std::{path::Path, process::ExitCode};

use anyhow::bail;
use futures_util::FutureExt;

use catalogue::seed::SeedPlan;
use splitcart::{
    cli::{
        serve,
        services::{for_own_server, with_token_keys},
        signals, token,
    },
    config::Config,
};

use self::{place::Place, private::Private};

pub use options::LoadtestArgs;

/// Runs a test; the status says whether it was sound.
///
/// # Errors
/// The options contradict each other, something can't be started, or the machine failed.
pub async fn run(
    args: &LoadtestArgs,
    config: &Config,
    config_file: Option<&Path>,
    data_dir: Option<&Path>,
) -> anyhow::Result<ExitCode> {
    checks::check(args)?;
    serve::raise_the_limit_of_open_files();
    let stop_signal = signals::stop_signal()?.shared();
    if !args.place.private {
        let place = Place::running(args, config).await?;
        let config = &with_token_keys(config, data_dir)?;
        if let (true, Some(file)) = (args.output.prepare_only, &args.output.export) {
            return export::run(args, config, &place, file, stop_signal).await;
        }
        return trial::run(args, config, &place, stop_signal).await;
    }
    let config = &for_own_server(config, token::fresh_secret);
    let plan = SeedPlan {
        vendors: args.place.seed_vendors,
        products: args.place.seed_products,
        buyers: 1,
        orders: 0,
        seed: args.cart.seed,
    };
    eprintln!("starting PostgreSQL, Redis and the server …");
    let starting = Private::start(config, config_file, data_dir, plan);
    let mut private = tokio::select! {
        private = starting => private?,
        () = stop_signal.clone() => bail!("stopped by a signal"),
    };
    let place = private.place();
    let result = tokio::select! {
        result = trial::run(args, config, &place, stop_signal) => result,
        failure = private.failure() => Err(failure),
    };
    let stopped = private.stop().await;
    let code = result?;
    stopped?;
    Ok(code)
}
