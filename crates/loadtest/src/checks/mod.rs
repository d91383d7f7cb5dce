//! Options that are refused: out of range, or in contradiction to each other. Each refusal is a
//! sentence that says how to correct it.

#[cfg(test)]
mod tests;

use anyhow::ensure;

use splitcart::domain::cart::LINES_MAX;

use super::{
    asked::{AT_A_TIME_MAX, Length},
    beside_options::StockRate,
    options::{LoadtestArgs, Mode, Prepare},
    picture_format::PictureFormat,
};

/// Refuses options that make no sense.
///
/// # Errors
/// The sentence.
pub(crate) fn check(args: &LoadtestArgs) -> anyhow::Result<()> {
    check_load(args)?;
    check_carts(args)?;
    check_modes(args)?;
    check_moves(args)?;
    check_beside(args)?;
    if let Some(path) = &args.output.plot {
        ensure!(
            PictureFormat::of(path).is_some(),
            "--plot draws .svg and .png, and {} is neither",
            path.display()
        );
    }
    Ok(())
}

fn check_load(args: &LoadtestArgs) -> anyhow::Result<()> {
    let load = &args.load;
    let shares = [
        ("--retries", load.retries),
        ("--hot-share", args.cart.hot_share),
        ("--fulfill-share", args.moves.shares().fulfill),
        ("--cancel-share", args.moves.shares().cancel),
        ("--cancel-group-share", args.moves.shares().cancel_group),
        ("--reject-share", args.moves.shares().reject),
        ("--by-line-share", args.moves.shares().by_line),
    ];
    for (name, share) in shares {
        ensure!(
            (0.0..=1.0).contains(&share),
            "{name} is {share}; a share is 0 to 1"
        );
    }
    let at_a_time = args.at_a_time();
    ensure!(
        (1..=AT_A_TIME_MAX).contains(&at_a_time),
        "{at_a_time} requests at a time are asked for; it must be 1 to {AT_A_TIME_MAX}"
    );
    if let Some(rate) = load.rate {
        ensure!(
            rate > 0.0 && rate <= 1e6,
            "--rate is {rate}; it must be above 0 and at most 1000000 a second"
        );
    }
    match args.length() {
        Length::Time(time) => ensure!(
            !time.is_zero(),
            "--duration is 0; there is nothing to measure"
        ),
        Length::Count(count) => ensure!(count > 0, "--count is 0; there is nothing to measure"),
    }
    ensure!(
        !load.timeout.is_zero(),
        "--timeout is 0; no answer is that quick"
    );
    Ok(())
}

fn check_carts(args: &LoadtestArgs) -> anyhow::Result<()> {
    let cart = &args.cart;
    ensure!(
        (1..=LINES_MAX).contains(&(cart.lines as usize)),
        "--lines is {}; a cart has 1 to {LINES_MAX}",
        cart.lines
    );
    let vendors = cart.vendors.unwrap_or(cart.lines);
    ensure!(
        (1..=cart.lines).contains(&vendors),
        "--vendors is {vendors}; each vendor of a cart has a line at least, so it must be 1 to \
         --lines, which is {}",
        cart.lines
    );
    ensure!(
        cart.zipf.is_finite() && cart.zipf >= 0.0,
        "--zipf is {}; it must be 0 or more",
        cart.zipf
    );
    ensure!(
        cart.hot_share > 0.0 || (cart.hot_products.is_none() && cart.hot_stock.is_none()),
        "--hot-products and --hot-stock say what is hot, but no cart has it: add --hot-share"
    );
    ensure!(
        cart.hot_products != Some(0),
        "--hot-products is 0; for no hot product leave --hot-share out"
    );
    ensure!(
        cart.stock.unwrap_or(0) >= 0 && cart.hot_stock.unwrap_or(0) >= 0,
        "a stock can't be less than 0"
    );
    ensure!(
        cart.qty.is_none_or(|qty| qty >= 1),
        "--qty is less than 1; a line has a unit at least"
    );
    Ok(())
}

fn check_beside(args: &LoadtestArgs) -> anyhow::Result<()> {
    let (beside, mode) = (&args.beside, args.load.mode);
    ensure!(
        (1..=1_000).contains(&beside.stock_products_k),
        "--stock-products-k is {}; it must be 1 to 1000, in thousands",
        beside.stock_products_k
    );
    ensure!(
        beside.late_orders == 0
            || matches!(mode, Mode::Checkout | Mode::Lifecycle | Mode::Decisions),
        "--late-orders goes with the modes that buy or move prepared carts, not with one that uses carts \
         again and again"
    );
    ensure!(
        beside.late_orders <= 10_000_000,
        "--late-orders is {}; it must be at most 10000000",
        beside.late_orders
    );
    ensure!(
        !args.output.prepare_only
            || (beside.late_orders == 0 && beside.stock_rows_per_s == StockRate::Off),
        "--late-orders and --stock-rows-per-s are work beside a load, and --prepare-only measures none"
    );
    Ok(())
}

fn check_moves(args: &LoadtestArgs) -> anyhow::Result<()> {
    let (mode, moves) = (args.load.mode, &args.moves);
    let shares = moves.shares();
    ensure!(
        shares.reject + shares.by_line <= 1.0,
        "--reject-share and --by-line-share come to {}; the rest of all decisions accept, so it must be at \
         most 1",
        shares.reject + shares.by_line
    );
    ensure!(
        matches!(mode, Mode::Lifecycle | Mode::Decisions) || !moves.is_any_given(),
        "--reject-share and the other shares of moves go with --mode lifecycle and decisions: this mode \
         moves no order"
    );
    ensure!(
        mode != Mode::Decisions || !moves.is_any_beside_decisions_given(),
        "--fulfill-share, --cancel-share and --cancel-group-share go with --mode lifecycle: --mode decisions \
         does nothing but decide"
    );
    ensure!(
        !args.output.prepare_only || !matches!(mode, Mode::Lifecycle | Mode::Decisions),
        "--prepare-only writes requests that stand for themselves, but a move needs an order; export --mode \
         cart-put or checkout"
    );
    Ok(())
}

/// Not every option goes with every mode.
fn check_modes(args: &LoadtestArgs) -> anyhow::Result<()> {
    let (mode, cart, carts) = (args.load.mode, &args.cart, args.carts());
    let freezes = matches!(mode, Mode::CartPut | Mode::Purchase);
    ensure!(
        !freezes || cart.prepare.is_none(),
        "--prepare says how carts come to be before the test, but this --mode freezes its own"
    );
    ensure!(
        !freezes || (cart.stock.is_none() && cart.hot_stock.is_none()),
        "--stock and --hot-stock go with --mode checkout: a cart that asks for more than there is \
         can't be frozen, so this mode would only measure refusals"
    );
    ensure!(
        !cart.any_vendor || (!freezes && cart.prepare != Some(Prepare::Api)),
        "--any-vendor goes with --mode checkout and --prepare db: PUT /cart refuses a vendor who \
         may not sell"
    );
    ensure!(
        mode != Mode::CartGet || args.load.retries == 0.0,
        "--retries sends a request again under its Idempotency-Key, and GET /cart has none"
    );
    ensure!(
        !args.output.prepare_only || mode != Mode::Purchase,
        "--prepare-only writes requests that stand for themselves, but a checkout of --mode purchase needs \
         what its PUT is answered; export --mode cart-put or checkout"
    );
    match (mode, args.length()) {
        (Mode::Checkout | Mode::Lifecycle, Length::Count(count)) => ensure!(
            carts >= count,
            "--carts is {carts}, but --count asks for {count} checkouts, and each uses up a cart"
        ),
        (Mode::Decisions, Length::Count(count)) => ensure!(
            carts >= count.div_ceil(args.requests_per_cart()),
            "--carts is {carts}, but --count asks for {count} decisions, and each uses up an order: a cart \
             makes {}",
            args.requests_per_cart()
        ),
        (Mode::Checkout | Mode::Lifecycle | Mode::Decisions, Length::Time(_)) => {
            ensure!(carts > 0, "--carts is 0; nothing can be bought");
        }
        // The tool that sends them decides how many are in flight.
        _ if args.output.prepare_only => ensure!(carts > 0, "--carts is 0; nothing can be written"),
        _ => ensure!(
            carts >= args.at_a_time(),
            "--carts is {carts}, but {} requests may be under way at a time, each of a buyer of \
             its own",
            args.at_a_time()
        ),
    }
    ensure!(
        args.place.private || (args.place.seed_vendors, args.place.seed_products) == (200, 10_000),
        "--seed-vendors and --seed-products go with --private: the catalogue of a running server \
         is there already"
    );
    ensure!(
        args.place.private || args.place.sinks.is_empty(),
        "--sink goes with --private: the sinks of a running server are in its configuration"
    );
    Ok(())
}
