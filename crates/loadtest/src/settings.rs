//! The options of a test as the report repeats them: figures mean nothing without them.

use clap::ValueEnum;
use serde::Serialize;

use super::{
    asked::{Arrivals, Length},
    beside_options::StockRate,
    moves::MoveShares,
    options::{LoadtestArgs, Mode},
};

/// The options of a test, with their defaults.
#[derive(Clone, Debug, Serialize)]
pub struct Settings {
    pub mode: String,
    pub clients: Option<u32>,
    pub rate: Option<f64>,
    pub max_in_flight: Option<u32>,
    pub duration_seconds: Option<f64>,
    pub count: Option<u32>,
    pub warmup_seconds: f64,
    pub prepare: Option<String>,
    pub carts: u32,
    pub lines: u32,
    pub vendors: u32,
    pub any_vendor: bool,
    pub hot_share: f64,
    pub hot_products: u32,
    pub zipf: f64,
    pub stock: Option<i32>,
    pub hot_stock: Option<i32>,
    pub qty: Option<i32>,
    /// Of the moves; none in a mode that moves no order.
    pub shares: Option<MoveShares>,
    /// "max" for as many as are answered; none if no stock is counted.
    pub stock_rows_per_s: Option<String>,
    pub late_orders: u32,
    pub retries: f64,
    pub retry_refused: String,
    pub seed: u64,
}

impl Settings {
    /// Those of a test.
    pub fn of(args: &LoadtestArgs) -> Self {
        let (load, cart, shape) = (&args.load, &args.cart, args.shape());
        let (clients, max_in_flight) = match args.arrivals() {
            Arrivals::Closed { clients } => (Some(clients), None),
            Arrivals::Open { in_flight_max, .. } => (None, Some(in_flight_max)),
        };
        let duration = match args.length() {
            Length::Time(time) => Some(time.as_secs_f64()),
            Length::Count(_) => None,
        };
        Self {
            mode: name_of(&load.mode),
            clients,
            rate: load.rate,
            max_in_flight,
            duration_seconds: duration,
            count: load.count,
            warmup_seconds: args.warmup().as_secs_f64(),
            prepare: args.prepare().as_ref().map(name_of),
            carts: args.carts(),
            lines: cart.lines,
            vendors: cart.vendors.unwrap_or(cart.lines),
            any_vendor: cart.any_vendor,
            hot_share: cart.hot_share,
            hot_products: if cart.hot_share > 0.0 {
                u32::try_from(shape.hot_products).unwrap_or(u32::MAX)
            } else {
                0
            },
            zipf: cart.zipf,
            stock: cart.stock,
            hot_stock: cart.hot_stock.or(cart.stock),
            qty: cart.qty,
            shares: matches!(load.mode, Mode::Lifecycle | Mode::Decisions)
                .then(|| args.moves.shares()),
            stock_rows_per_s: match args.beside.stock_rows_per_s {
                StockRate::Off => None,
                StockRate::PerSecond(rows) => Some(rows.to_string()),
                StockRate::Max => Some("max".to_owned()),
            },
            late_orders: args.beside.late_orders,
            retries: load.retries,
            retry_refused: name_of(&load.retry_refused),
            seed: cart.seed,
        }
    }
}

/// As the option spells it.
fn name_of(value: &impl ValueEnum) -> String {
    let value = value.to_possible_value();
    value.map_or_else(String::new, |it| it.get_name().to_owned())
}
