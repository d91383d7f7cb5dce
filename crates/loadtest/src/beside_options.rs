//! The options about work that a server does beside the load.

use clap::Args;

/// Beside the load.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Beside the load")]
pub struct BesideArgs {
    /// Rows of stock that a vendor counts each second, by PUT /api/v1/inventory with 1,000 rows in each
    /// request, one request at a time; `max` is as many as are answered. No cart has the products of
    /// this vendor
    #[arg(long, value_name = "ROWS|max", default_value = "0")]
    pub(super) stock_rows_per_s: StockRate,
    /// With --stock-rows-per-s: products of the vendor, in thousands
    #[arg(long, value_name = "THOUSANDS", default_value_t = 10)]
    pub(super) stock_products_k: u32,
    /// Orders that are made before the test, whose vendors have not decided in time: the server expires
    /// them while it is measured
    #[arg(long, value_name = "COUNT", default_value_t = 0)]
    pub(super) late_orders: u32,
}

/// The pace of stock counts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum StockRate {
    /// No stock is counted.
    Off,
    PerSecond(f64),
    Max,
}

impl std::str::FromStr for StockRate {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "max" {
            return Ok(Self::Max);
        }
        match text.parse::<f64>() {
            Ok(0.0) => Ok(Self::Off),
            Ok(rows) if (1.0..=1e7).contains(&rows) => Ok(Self::PerSecond(rows)),
            _ => Err("it must be `max`, 0, or rows a second from 1 to 10000000"),
        }
    }
}
