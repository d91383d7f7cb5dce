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
