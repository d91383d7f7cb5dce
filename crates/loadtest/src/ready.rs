//! Getting ready: carts, buyers and stock in the database, orders to be moved, and the requests.

use std::{
    collections::{BTreeSet, HashMap},
    time::{Duration, Instant},
};

use anyhow::bail;
use hyper::header::HeaderValue;
use rand::{SeedableRng, rngs::SmallRng};
use sqlx::PgConnection;
use terminal::Screen;

use splitcart::{cli::token, config::Config, domain::ids::VendorStoreId};

use crate::db::{self, Vendors};

use super::{
    beforehand,
    beside_options::StockRate,
    carts::Cart,
    counting_vendor,
    late_orders::{self, LateOrders},
    moves::Mover,
    options::{LoadtestArgs, Mode, Prepare},
    place::Place,
    placed::Placed,
    prepare::{self, PLENTY, Prepared},
    requests::{Job, Request, bearer},
};

/// The lifetime of tokens: longer than any test.
const TOKEN_GOOD_FOR: Duration = Duration::from_hours(48);

/// Everything that a test needs.
pub struct Ready {
    /// The carts, and what is in them.
    pub prepared: Prepared,
    /// One per cart: its buyer's.
    pub tokens: Vec<String>,
    /// The `Authorization` of each vendor's owner; empty if no order is moved.
    pub vendors: HashMap<VendorStoreId, HeaderValue>,
    /// The orders that were made before the test.
    placed: Vec<Placed>,
    pub late: LateOrders,
}

impl Ready {
    /// The requests.
    pub fn jobs(&self, args: &LoadtestArgs) -> Vec<Job> {
        if args.load.mode == Mode::Decisions {
            return self.decisions(args).collect();
        }
        let carts = self.prepared.carts.iter().zip(&self.tokens);
        let jobs = carts.map(|(cart, token)| job(args.load.mode, token, cart));
        jobs.collect()
    }

    fn decisions(&self, args: &LoadtestArgs) -> impl Iterator<Item = Job> {
        let shares = args.moves.shares();
        let mut dice = SmallRng::seed_from_u64(args.cart.seed);
        let orders = self.placed.iter().flat_map(|placed| &placed.orders);
        orders.map(move |order| {
            let planned = shares.decision(order, &mut dice);
            let bearer = match planned.by {
                Mover::Vendor(id) => self.vendors.get(&id),
                Mover::Buyer => None,
            };
            let bearer = bearer.expect("every vendor of the carts has a token");
            let request = Request::make_move(bearer.clone(), &planned.path, &planned.body);
            Job::Decide(request)
        })
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
    let orders_per_cart = args.cart.vendors.unwrap_or(args.cart.lines);
    let late_carts = args.beside.late_orders.div_ceil(orders_per_cart);
    let all = count + late_carts;
    let drawn = prepare::draw_carts(connection, args.shape(), vendors, all, seed);
    let mut prepared = drawn.await?;
    let mut late_carts = prepared.carts.split_off(count as usize);
    // Late orders need no buyers of their own.
    for (cart, own) in late_carts.iter_mut().zip(prepared.carts.iter().cycle()) {
        cart.buyer = own.buyer;
    }
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
            let ids = beforehand::freeze(&place.http, puts.collect(), screen).await?;
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
    let vendors = match args.load.mode {
        Mode::Lifecycle | Mode::Decisions => {
            tokens_of_vendors(config, connection, &prepared).await?
        }
        _ => HashMap::new(),
    };
    if args.beside.stock_rows_per_s != StockRate::Off {
        prepare::ready_counting_vendor(connection, args.beside.stock_products_k).await?;
    }
    let placed = if args.load.mode == Mode::Decisions {
        let carts = prepared.carts.iter().zip(&tokens);
        let check_outs = carts.map(|(cart, token)| Request::check_out(token, cart.id));
        let placed = beforehand::buy(&place.http, check_outs.collect(), screen).await?;
        db::settle_orders(connection).await?;
        placed
    } else {
        Vec::new()
    };
    // The last step: the server begins to expire them at once.
    let late = if late_carts.is_empty() {
        LateOrders::default()
    } else {
        late_orders::write(config, connection, &late_carts, screen).await?
    };
    screen.say(format!(
        "{} carts are ready after {:.1} s",
        prepared.carts.len(),
        started.elapsed().as_secs_f64()
    ));
    Ok(Ready {
        prepared,
        tokens,
        vendors,
        placed,
        late,
    })
}

fn token_for(config: &Config, cart: &Cart) -> anyhow::Result<String> {
    let (user, store) = (cart.buyer.user_id.uuid(), cart.buyer.store_id.uuid());
    token::issue(config, user, store, TOKEN_GOOD_FOR)
}

/// The `Authorization` of the vendor that counts its stock.
///
/// # Errors
/// Tokens can't be signed.
pub fn counting_vendor_bearer(config: &Config) -> anyhow::Result<HeaderValue> {
    let (user, store) = (
        counting_vendor::user_id(),
        counting_vendor::store_id().uuid(),
    );
    let token = token::issue(config, user, store, TOKEN_GOOD_FOR)?;
    Ok(bearer(&token))
}

/// The `Authorization` of each vendor that the carts buy from.
async fn tokens_of_vendors(
    config: &Config,
    connection: &mut PgConnection,
    prepared: &Prepared,
) -> anyhow::Result<HashMap<VendorStoreId, HeaderValue>> {
    let lines = prepared.carts.iter().flat_map(|cart| &cart.lines);
    let ids: BTreeSet<_> = lines.map(|line| line.vendor_store_id).collect();
    let ids: Vec<_> = ids.into_iter().collect();
    let owners = db::owners_of(connection, &ids).await?;
    let tokens = owners.iter().map(|owner| {
        let (user, store) = (owner.user_id.uuid(), owner.vendor_store_id.uuid());
        let token = token::issue(config, user, store, TOKEN_GOOD_FOR)?;
        Ok((owner.vendor_store_id, bearer(&token)))
    });
    let tokens = tokens.collect::<anyhow::Result<HashMap<_, _>>>()?;
    if let Some(id) = ids.iter().find(|id| !tokens.contains_key(id)) {
        bail!("vendor {id} has no active owner who could decide about orders");
    }
    Ok(tokens)
}

fn job(mode: Mode, token: &str, cart: &Cart) -> Job {
    match mode {
        Mode::Checkout => Job::CheckOut(Request::check_out(token, cart.id)),
        Mode::Lifecycle => Job::Lifecycle(Request::check_out(token, cart.id)),
        Mode::Decisions => unreachable!("a decision is about an order, not about a cart"),
        Mode::CartPut => Job::PutCart(Request::put_cart(token, cart)),
        Mode::CartGet => Job::GetCart(Request::get_cart(token)),
        Mode::Purchase => Job::Purchase {
            put: Box::new(Request::put_cart(token, cart)),
            check_out: Box::new(Request::check_out(token, cart.id)),
        },
    }
}
