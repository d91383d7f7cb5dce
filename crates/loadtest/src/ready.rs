//! Getting ready: carts, buyers and stock in the database, and the requests.

use std::time::{Duration, Instant};

use sqlx::PgConnection;
use terminal::Screen;

use splitcart::{cli::token, config::Config};

use crate::db::{self, Vendors};

use super::{
    carts::Cart,
    freeze,
    options::{LoadtestArgs, Mode, Prepare},
    place::Place,
    prepare::{self, PLENTY, Prepared},
    requests::{Job, Request},
};

/// The lifetime of tokens: longer than any test.
const TOKEN_GOOD_FOR: Duration = Duration::from_hours(48);

/// Everything that a test needs.
pub struct Ready {
    /// The carts, and what is in them.
    pub prepared: Prepared,
    /// One per cart: its buyer's.
    pub tokens: Vec<String>,
}

impl Ready {
    /// The requests.
    pub fn jobs(&self, args: &LoadtestArgs) -> Vec<Job> {
        let carts = self.prepared.carts.iter().zip(&self.tokens);
        let jobs = carts.map(|(cart, token)| job(args.load.mode, token, cart));
        jobs.collect()
    }
}

/// Makes the carts and their buyers.
///
/// # Errors
/// The catalogue has too little for such carts, the server will not freeze one, or the machine
/// failed.
pub async fn get_ready(
    args: &LoadtestArgs,
    config: &Config,
    place: &Place,
    connection: &mut PgConnection,
    screen: &Screen,
) -> anyhow::Result<Ready> {
    let started = Instant::now();
    let vendors = if args.cart.any_vendor {
        Vendors::Any
    } else {
        Vendors::MaySell
    };
    let (count, seed) = (args.carts(), args.cart.seed);
    let drawn = prepare::draw_carts(connection, args.shape(), vendors, count, seed);
    let mut prepared = drawn.await?;
    prepare::ready_buyers(connection, &prepared.carts, screen).await?;
    // A cart that asks for more than there is can't be frozen: what is to run short does so later.
    prepare::restock(connection, &prepared, PLENTY, PLENTY).await?;
    let tokens = prepared
        .carts
        .iter()
        .map(|cart| token_for(config, cart))
        .collect::<anyhow::Result<Vec<_>>>()?;
    match args.prepare() {
        Some(Prepare::Db) => prepare::write_carts(connection, &prepared.carts, screen).await?,
        Some(Prepare::Api) => {
            let carts = prepared.carts.iter().zip(&tokens);
            let puts = carts.map(|(cart, token)| Request::put_cart(token, cart));
            let ids = freeze::freeze(&place.http, puts.collect(), screen).await?;
            for (cart, id) in prepared.carts.iter_mut().zip(ids) {
                cart.id = id;
            }
        }
        None => {}
    }
    let spread = args.cart.stock.unwrap_or(PLENTY);
    let hot = args.cart.hot_stock.unwrap_or(spread);
    if (spread, hot) != (PLENTY, PLENTY) {
        prepare::restock(connection, &prepared, spread, hot).await?;
    }
    db::settle(connection).await?;
    screen.say(format!(
        "{} carts are ready after {:.1} s",
        prepared.carts.len(),
        started.elapsed().as_secs_f64()
    ));
    Ok(Ready { prepared, tokens })
}

fn token_for(config: &Config, cart: &Cart) -> anyhow::Result<String> {
    let (user, store) = (cart.buyer.user_id.uuid(), cart.buyer.store_id.uuid());
    token::issue(config, user, store, TOKEN_GOOD_FOR)
}

fn job(mode: Mode, token: &str, cart: &Cart) -> Job {
    match mode {
        Mode::Checkout => Job::CheckOut(Request::check_out(token, cart.id)),
        Mode::CartPut => Job::PutCart(Request::put_cart(token, cart)),
        Mode::CartGet => Job::GetCart(Request::get_cart(token)),
        Mode::Purchase => Job::Purchase {
            put: Box::new(Request::put_cart(token, cart)),
            check_out: Box::new(Request::check_out(token, cart.id)),
        },
    }
}
