//! The options of a load test as they are typed. `asked` says what follows from them, `checks` refuses
//! contradictions.

use std::{path::PathBuf, time::Duration};

use clap::{Args, ValueEnum};

use crate::events_bench::SinkName;

use super::{beside_options::BesideArgs, move_options::MoveArgs, time_option::parse_time};

const EXAMPLES: &str = "\
Examples:
  splitcart loadtest --private                        all in one: servers, catalogue and load, for a
                                                      first impression
  splitcart loadtest --clients 64 --duration 30s      against the server on this machine
  splitcart loadtest --clients 64 --hot-share 1       a flash sale: one product in every cart
  splitcart loadtest --count 5000 --hot-share 1 --hot-stock 100 --lines 1 --qty 1
                                                      5,000 buyers for 100 units
  splitcart loadtest --rate 2000 --duration 60s --plot latency.svg --json run.json
                                                      open loop: arrivals do not wait for answers
  splitcart loadtest --rate 6000 --retry-refused retry-after
                                                      overload, with clients that retry
  splitcart loadtest --mode purchase --clients 16     PUT /cart and checkout, measured as one
  splitcart loadtest --mode lifecycle --clients 64    checkouts, decisions, fulfillments, cancellations
  splitcart loadtest --mode decisions --clients 64    decisions alone, about orders that were made before
  splitcart loadtest --stock-rows-per-s max           checkouts beside a vendor who counts stock
  splitcart loadtest --late-orders 100000 --duration 5m
                                                      checkouts while late orders expire, and afterwards
  splitcart loadtest --prepare-only --export requests.ndjson --count 20000
                                                      for wrk, oha, k6 and locust: scripts/load
  splitcart loadtest --retries 0.1                    a tenth is sent twice and must be answered alike
  splitcart loadtest --url https://shop.test:8443 --ca ca.pem
                                                      a server under TLS

The database URL, the token secret and the addresses are the server's own settings: give both the same
environment and --config. The test adds buyers and carts to that database and refills the stock of what
it buys, so do not point it at a database that matters.

A run ends with `splitcart audit`. The status is 0 if the run was sound: only successes and refusals
(503, 429), every replay identical to the byte, nothing oversold, and no finding of the audit.

Times are written as 500ms, 10s, 2m or 1m30s; a bare number is seconds.";

/// Drive a running server over HTTP and measure it
#[derive(Args, Clone, Debug)]
#[command(after_help = EXAMPLES)]
pub struct LoadtestArgs {
    #[command(flatten)]
    pub(super) place: PlaceArgs,
    #[command(flatten)]
    pub(super) load: LoadArgs,
    #[command(flatten)]
    pub(super) cart: CartArgs,
    #[command(flatten)]
    pub(super) moves: MoveArgs,
    #[command(flatten)]
    pub(super) beside: BesideArgs,
    #[command(flatten)]
    pub(super) output: OutputArgs,
}

/// The server.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "The server")]
pub struct PlaceArgs {
    /// The server's public listener [default: http.addr]
    #[arg(long, value_name = "URL")]
    pub(super) url: Option<String>,
    /// With an https URL: trust the certificates of this PEM file instead of those that the system
    /// trusts
    #[arg(long, value_name = "FILE", conflicts_with = "private")]
    pub(super) ca: Option<PathBuf>,
    /// Start a temporary PostgreSQL, Redis and server, seed them, and stop and
    /// remove everything at the end
    #[arg(long, conflicts_with = "url")]
    pub(super) private: bool,
    /// With --private: vendors in the catalogue
    #[arg(long, value_name = "COUNT", default_value_t = 200)]
    pub(super) seed_vendors: u32,
    /// With --private: products in the catalogue
    #[arg(long, value_name = "COUNT", default_value_t = 10_000)]
    pub(super) seed_products: u32,
    /// With --private: publish events to these brokers, which are started, too; scripts/install-brokers
    /// installs them
    #[arg(long = "sink", value_name = "SINK", value_enum, value_delimiter = ',')]
    pub(super) sinks: Vec<SinkName>,
}

/// The load.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "The load")]
pub struct LoadArgs {
    /// The requests to measure
    #[arg(long, value_enum, default_value_t = Mode::Checkout)]
    pub(super) mode: Mode,
    /// Closed loop: the number of clients, each of which waits for its answer before it sends again
    /// [default: 64]
    #[arg(long, value_name = "COUNT", conflicts_with = "rate")]
    pub(super) clients: Option<u32>,
    /// Open loop: arrivals a second, whatever the server does; a latency counts from the
    /// moment when the request was meant to be sent
    #[arg(long, value_name = "PER SECOND")]
    pub(super) rate: Option<f64>,
    /// With --rate: the most requests at a time; arrivals beyond it are not sent, and counted
    /// [default: --rate x --timeout, up to what files may be open]
    #[arg(long, value_name = "COUNT", requires = "rate")]
    pub(super) max_in_flight: Option<u32>,
    /// Time to measure: 10s, 2m, 1m30s [default: 10s]
    #[arg(long, value_name = "TIME", value_parser = parse_time, conflicts_with = "count")]
    pub(super) duration: Option<Duration>,
    /// Number of requests to measure, instead of a time
    #[arg(long, value_name = "COUNT")]
    pub(super) count: Option<u32>,
    /// Time to run the load before it is measured, such as 5s [default: 2s; none with --count]
    #[arg(long, value_name = "TIME", value_parser = parse_time, conflicts_with = "count")]
    pub(super) warmup: Option<Duration>,
    /// The share of requests that are sent again under the same key, and must be answered the same
    #[arg(long, value_name = "0..1", default_value_t = 0.0)]
    pub(super) retries: f64,
    /// The behaviour of a client that is refused with 503 or 429: it tries again, under the same key, or
    /// not. Its latency counts from the first try
    #[arg(long, value_enum, default_value_t = RetryRefused::Never)]
    pub(super) retry_refused: RetryRefused,
    /// The longest that an answer may take, with all tries of a client that is refused, such as 500ms or
    /// 10s
    #[arg(long, value_name = "TIME", value_parser = parse_time, default_value = "30s")]
    pub(super) timeout: Duration,
}

/// The carts.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "The carts")]
pub struct CartArgs {
    /// The way in which carts are made before the test: written into the database, or by PUT /cart
    /// [default: db]
    #[arg(long, value_enum)]
    pub(super) prepare: Option<Prepare>,
    /// Carts to prepare, each for a buyer of its own. A checkout uses one up; other modes use them
    /// again and again [default: as many as will be needed; 4000 a second for a closed loop]
    #[arg(long, value_name = "COUNT")]
    pub(super) carts: Option<u32>,
    /// Lines in a cart
    #[arg(long, value_name = "COUNT", default_value_t = 3)]
    pub(super) lines: u32,
    /// Different vendors in a cart [default: --lines]
    #[arg(long, value_name = "COUNT")]
    pub(super) vendors: Option<u32>,
    /// Use products of vendors who may not sell, too: their lines are rejected
    #[arg(long)]
    pub(super) any_vendor: bool,
    /// The share of carts that have a hot product in them
    #[arg(long, value_name = "0..1", default_value_t = 0.0)]
    pub(super) hot_share: f64,
    /// Number of hot products [default: 1]
    #[arg(long, value_name = "COUNT")]
    pub(super) hot_products: Option<u32>,
    /// Zipf exponent of the popularity of the other products; at 0 all are equally popular
    #[arg(long, value_name = "EXPONENT", default_value_t = 0.0)]
    pub(super) zipf: f64,
    /// Units of each product in stock when the test begins [default: never short]
    #[arg(long, value_name = "UNITS")]
    pub(super) stock: Option<i32>,
    /// Units of each hot product in stock when the test begins [default: --stock]
    #[arg(long, value_name = "UNITS")]
    pub(super) hot_stock: Option<i32>,
    /// Units in a line; only products that are sold in this quantity are used [default: the least
    /// that is sold at once]
    #[arg(long, value_name = "UNITS")]
    pub(super) qty: Option<i32>,
    /// Seed of the random choice of carts, and with --private of the catalogue
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    pub(super) seed: u64,
}

/// Output beside the table.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "The results")]
pub struct OutputArgs {
    /// Write all measurements as JSON, second by second; - is stdout, and the table then goes to
    /// stderr
    #[arg(long, value_name = "FILE")]
    pub(super) json: Option<PathBuf>,
    /// Prepare carts, buyers and stock, write --export, and measure nothing: for other tools, see
    /// scripts/load
    #[arg(
        long,
        requires = "export",
        conflicts_with_all = ["private", "json", "plot"]
    )]
    pub(super) prepare_only: bool,
    /// With --prepare-only: the file for the requests, one JSON object a line, with `method`,
    /// `url`, `token`, `key`, `cart_id` and `body`; - is stdout
    #[arg(long, value_name = "FILE", requires = "prepare_only")]
    pub(super) export: Option<PathBuf>,
    /// Draw throughput and latency percentiles over time
    #[arg(long, value_name = "FILE.svg|FILE.png")]
    pub(super) plot: Option<PathBuf>,
}

/// The requests that are measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Mode {
    /// POST /api/v1/checkout of prepared carts
    Checkout,
    /// PUT /api/v1/cart
    CartPut,
    /// GET /api/v1/cart of prepared carts
    CartGet,
    /// PUT /api/v1/cart and POST /api/v1/checkout, as one
    Purchase,
    /// POST /api/v1/checkout of prepared carts, and everything that moves their orders: each client
    /// sends the moves of what it has bought, at once and one after the other
    Lifecycle,
    /// POST /api/v1/orders/{id}/decision about orders that are made before the test
    Decisions,
}

/// The way in which carts are made before a test.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Prepare {
    /// Through PUT /api/v1/cart
    Api,
    /// Written straight into the database, priced by the same rules
    Db,
}

/// The behaviour of a client whose request was refused because the server has too much to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum RetryRefused {
    /// Give up
    Never,
    /// Wait as long as Retry-After asks for, and up to 100 ms more
    RetryAfter,
    /// Wait up to 100 ms
    Jitter,
}
