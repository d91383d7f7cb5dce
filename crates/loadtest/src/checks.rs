//! What options may not be: out of range, or in contradiction to each other. Each refusal is a
//! sentence that says what to do.

use anyhow::ensure;

use splitcart::domain::cart::LINES_MAX;

use super::{
    asked::{AT_A_TIME_MAX, Length},
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
        (Mode::Checkout, Length::Count(count)) => ensure!(
            carts >= count,
            "--carts is {carts}, but --count asks for {count} checkouts, and each uses up a cart"
        ),
        (Mode::Checkout, Length::Time(_)) => {
            ensure!(carts > 0, "--carts is 0; nothing can be bought");
        }
        // Whoever sends them decides how many are under way.
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
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use clap::Parser;

    use super::*;
    use crate::asked::at_a_time_max;

    #[derive(Parser)]
    struct Cli {
        #[command(flatten)]
        args: LoadtestArgs,
    }

    fn parse(line: &str) -> Result<LoadtestArgs, String> {
        let words = std::iter::once("loadtest").chain(line.split_whitespace());
        let args = Cli::try_parse_from(words)
            .map_err(|error| error.to_string())?
            .args;
        check(&args).map_err(|error| error.to_string())?;
        Ok(args)
    }

    #[test]
    fn contradictions_are_refused_with_a_sentence_that_names_them() {
        for (line, named) in [
            ("--clients 4 --rate 100", "--rate"),
            ("--max-in-flight 5", "--rate"),
            ("--duration 5s --count 7", "--count"),
            ("--warmup 1s --count 7", "--count"),
            ("--url http://a --private", "--private"),
            ("--vendors 4", "--lines, which is 3"),
            ("--vendors 0", "--vendors is 0"),
            ("--lines 0", "--lines is 0"),
            ("--lines 201", "1 to 200"),
            ("--hot-share 1.5", "--hot-share is 1.5"),
            ("--hot-share NaN", "--hot-share is NaN"),
            ("--retries 2", "--retries is 2"),
            ("--hot-products 2", "add --hot-share"),
            ("--hot-stock 100", "add --hot-share"),
            ("--hot-share 1 --hot-products 0", "--hot-products is 0"),
            ("--zipf=-1", "--zipf is -1"),
            ("--stock=-1", "a stock"),
            ("--qty 0", "--qty"),
            ("--clients 0", "0 requests at a time"),
            ("--rate 0", "--rate is 0"),
            ("--rate inf", "--rate is inf"),
            ("--count 0", "--count is 0"),
            ("--duration 0", "--duration is 0"),
            ("--timeout 0", "--timeout is 0"),
            ("--duration 10x", "such as 500ms"),
            ("--duration 25h", "such as 500ms"),
            ("--count 10 --carts 9", "--carts is 9"),
            ("--carts 0", "--carts is 0"),
            ("--mode cart-get --carts 63", "--carts is 63"),
            ("--mode cart-get --retries 0.5", "GET /cart has none"),
            ("--mode cart-put --prepare db", "--prepare"),
            ("--mode purchase --stock 5", "--mode checkout"),
            ("--mode purchase --any-vendor", "--any-vendor"),
            ("--prepare api --any-vendor", "--any-vendor"),
            ("--seed-vendors 5", "--private"),
            ("--plot picture.jpg", "picture.jpg is neither"),
            ("--plot picture", "picture is neither"),
        ] {
            let complaint = parse(line).unwrap_err();
            assert!(complaint.contains(named), "{line}: {complaint}");
        }
    }

    #[test]
    fn what_is_not_said_follows_from_what_is() {
        let args = parse("").unwrap();
        assert_eq!(args.length(), Length::Time(Duration::from_secs(10)));
        assert_eq!(
            (args.at_a_time(), args.warmup()),
            (64, Duration::from_secs(2))
        );
        assert_eq!((args.carts(), args.shape().vendors), (48_001, 3));

        let args = parse("--count 500 --lines 5").unwrap();
        assert_eq!((args.carts(), args.warmup()), (500, Duration::ZERO));
        assert_eq!(args.shape().vendors, 5);

        let args = parse("--rate 200 --duration 1.5s --warmup 500ms").unwrap();
        let most = at_a_time_max();
        assert_eq!((args.carts(), args.at_a_time()), (401, 6000.min(most)));
        let args = parse("--rate 200 --timeout 500ms").unwrap();
        assert_eq!(args.at_a_time(), 100.min(most));
        let args = parse("--rate 100000").unwrap();
        assert_eq!(args.at_a_time(), most);

        let args = parse("--mode purchase --clients 3000").unwrap();
        assert_eq!((args.carts(), args.prepare()), (3000, None));
        assert_eq!(
            parse("--mode cart-get").unwrap().prepare(),
            Some(Prepare::Db)
        );
    }
}
