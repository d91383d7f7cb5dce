//! The options, and what of them contradicts itself.

use std::{path::PathBuf, time::Duration};

use anyhow::{bail, ensure};
use clap::{Args, ValueEnum};

use super::market::Shape;

const EXAMPLES: &str = "\
Examples:
  splitcart loadtest --private                    everything private: servers, catalogue, load
  splitcart loadtest --clients 64 --duration 30s  against a running `splitcart serve`
  splitcart loadtest --clients 64 --hot-share 1   one hot product in every cart";

/// Drive a running server over HTTP and measure it
#[derive(Args, Clone, Debug)]
#[command(after_help = EXAMPLES)]
pub struct LoadtestArgs {
    /// Start a private, temporary PostgreSQL and Redis and a server of their own, and stop all in
    /// the end
    #[arg(long)]
    pub private: bool,
    /// The server [default: http:// and http.addr]
    #[arg(long, value_name = "URL")]
    pub url: Option<String>,
    /// Closed loop: so many clients, each of which waits for its answer before it sends again
    #[arg(long, value_name = "COUNT", default_value_t = 64)]
    pub clients: u32,
    /// How long to measure [default: 10s, unless --count is given]
    #[arg(long, value_name = "TIME", value_parser = parse_time, conflicts_with = "count")]
    pub duration: Option<Duration>,
    /// How many requests to send instead
    #[arg(long, value_name = "COUNT")]
    pub count: Option<u32>,
    /// The same load before it is measured [default: 2s, with --count none]
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    pub warmup: Option<Duration>,
    /// Carts to prepare, each for a buyer of its own; a checkout uses one up [default: --count, or
    /// 4000 for each second]
    #[arg(long, value_name = "COUNT")]
    pub carts: Option<u32>,
    /// Lines in a cart
    #[arg(long, value_name = "COUNT", default_value_t = 3)]
    pub lines: u32,
    /// Different vendors in a cart [default: --lines]
    #[arg(long, value_name = "COUNT")]
    pub vendors: Option<u32>,
    /// The share of carts with a hot product in them
    #[arg(long, value_name = "0..1", default_value_t = 0.0)]
    pub hot_share: f64,
    /// How many products are hot
    #[arg(long, value_name = "COUNT", default_value_t = 1)]
    pub hot_products: u32,
    /// Zipf's exponent of the popularity of the other products; 0 is all alike
    #[arg(long, value_name = "EXPONENT", default_value_t = 0.0)]
    pub zipf: f64,
    /// Units of each product in stock before the test [default: never short]
    #[arg(long, value_name = "UNITS")]
    pub stock: Option<i32>,
    /// Units of each hot product in stock before the test [default: --stock]
    #[arg(long, value_name = "UNITS")]
    pub hot_stock: Option<i32>,
    /// Units in a line; only products that are sold in this quantity are used [default: the least
    /// that is sold at once]
    #[arg(long, value_name = "UNITS")]
    pub qty: Option<i32>,
    /// Decides which carts are made
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    pub seed: u64,
    /// Write everything that was measured to a file; - is stdout
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
}

/// What a client does whose request was refused because the server has too much to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum RetryRefused {
    /// It goes away.
    Never,
    /// It waits as long as the server asks for, and up to 100 ms more.
    RetryAfter,
    /// It waits up to 100 ms.
    Jitter,
}

/// When a test ends.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Length {
    /// After this time.
    Time(Duration),
    /// After so many requests.
    Count(u32),
}

impl LoadtestArgs {
    /// When the test ends.
    pub fn length(&self) -> Length {
        match self.count {
            Some(count) => Length::Count(count),
            None => Length::Time(self.duration.unwrap_or(Duration::from_secs(10))),
        }
    }

    /// How long the load runs before it is measured.
    pub fn warmup(&self) -> Duration {
        self.warmup.unwrap_or(match self.length() {
            Length::Time(_) => Duration::from_secs(2),
            Length::Count(_) => Duration::ZERO,
        })
    }

    /// How many carts are prepared.
    pub fn carts(&self) -> u32 {
        self.carts.unwrap_or_else(|| match self.length() {
            Length::Count(count) => count,
            Length::Time(time) => {
                let seconds = (time + self.warmup()).as_secs_f64();
                (seconds * 4000.0).ceil() as u32
            }
        })
    }

    /// What carts look like.
    pub fn shape(&self) -> Shape {
        Shape {
            lines: self.lines as usize,
            vendors: self.vendors.unwrap_or(self.lines) as usize,
            hot_share: self.hot_share,
            hot_products: self.hot_products as usize,
            zipf: self.zipf,
            qty: self.qty,
        }
    }

    /// Refuses what makes no sense.
    ///
    /// # Errors
    /// A sentence.
    pub fn check(&self) -> anyhow::Result<()> {
        ensure!(
            self.warmup.is_none() || self.count.is_none(),
            "--warmup goes with --duration: how many requests it takes can't be known before, so \
             --count has none"
        );
        let vendors = self.vendors.unwrap_or(self.lines);
        ensure!(
            vendors >= 1 && vendors <= self.lines,
            "--vendors is {vendors}; each vendor of a cart has a line at least, so it must be 1 to \
             --lines, which is {}",
            self.lines
        );
        if !(0.0..=1.0).contains(&self.hot_share) {
            bail!("--hot-share is {}; it must be 0 to 1", self.hot_share);
        }
        Ok(())
    }
}

/// `500ms`, `10s`, `2m`; a bare number is seconds.
fn parse_time(text: &str) -> Result<Duration, String> {
    let digits = text.trim_end_matches(|letter: char| letter.is_ascii_alphabetic());
    let ms = match &text[digits.len()..] {
        "ms" => 1.0,
        "" | "s" => 1000.0,
        "m" => 60_000.0,
        _ => return Err("write a time such as 500ms, 10s or 2m".to_owned()),
    };
    let number: f64 = digits
        .parse()
        .map_err(|_| "write a time such as 500ms, 10s or 2m".to_owned())?;
    let seconds = number * ms / 1000.0;
    Duration::try_from_secs_f64(seconds)
        .ok()
        .filter(|time| *time <= Duration::from_hours(24))
        .ok_or_else(|| "a time is 0 to 24 hours".to_owned())
}
