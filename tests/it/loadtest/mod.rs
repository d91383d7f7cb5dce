//! `splitcart loadtest` against a real server: its report is compared with the database.

mod beside;
mod moves;

use std::{
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use catalogue::{cli::seed::load, seed::SeedPlan};
use chrono::Utc;
use serde_json::{Value, json};
use splitcart::db;
use tempfile::TempDir;

use crate::support::{
    Server, World,
    redis::signal,
    server::{SECRET, splitcart},
};
use crate::tls::{Certificate, https};

const PLAN: SeedPlan = SeedPlan {
    vendors: 40,
    products: 800,
    buyers: 1,
    orders: 0,
    seed: 1,
};

/// A server with a small catalogue.
pub(super) async fn seeded(settings: &[(&str, &str)]) -> World {
    let world = World::with_settings(settings).await;
    seed(&world.market.database.url).await;
    world
}

/// Loads a small catalogue.
pub(super) async fn seed(database_url: &str) {
    let mut connection = db::pool::connect(&database_url.into()).await.unwrap();
    load(&PLAN, Utc::now(), &mut connection, &|_| {})
        .await
        .unwrap();
}

/// `splitcart loadtest` for a world's server, on the same settings.
pub(super) fn loadtest(world: &World, options: &str) -> Command {
    loadtest_at(&world.server.http, world, options)
}

/// The same, with the URL of the server as somebody may type it.
fn loadtest_at(url: &str, world: &World, options: &str) -> Command {
    let (database_url, redis_url) = (&world.market.database.url, &world.redis.url);
    loadtest_of(&world.server, url, database_url, redis_url, options)
}

/// `splitcart loadtest` for a server with this database and this Redis.
pub(super) fn loadtest_of(
    server: &Server,
    url: &str,
    database_url: &str,
    redis_url: &str,
    options: &str,
) -> Command {
    let mut command = splitcart("loadtest");
    command
        .env("SPLITCART_DATABASE_URL", database_url)
        .env("SPLITCART_REDIS_URL", redis_url)
        .env("SPLITCART_AUTH_HS256_SECRET", SECRET)
        .env("SPLITCART_OPS_ADDR", server.ops.replace("http://", ""))
        .args(["--url", url, "--json", "-"])
        .args(options.split_whitespace());
    command
}

/// Runs the command in a thread of its own, because the world has tasks in this one.
async fn run(mut command: Command) -> (Output, Value) {
    let output = tokio::task::spawn_blocking(move || command.output().unwrap());
    let output = output.await.unwrap();
    let report = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| {
        panic!("no JSON: {}", String::from_utf8_lossy(&output.stderr));
    });
    (output, report)
}

/// Runs the command and expects a sound run.
async fn measure(world: &World, options: &str) -> Value {
    let (output, report) = run(loadtest(world, options)).await;
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{told}");
    assert_eq!(report["complaints"], json!([]), "{told}");
    assert_eq!(report["audit"]["clean"], true, "{told}");
    assert!(told.contains("The run was sound."), "{told}");
    report
}

async fn groups(world: &World) -> i64 {
    let query = "select count(*) from checkout_groups";
    world.market.database.count(query).await
}

fn sum(report: &Value, field: &str) -> i64 {
    let seconds = report["series"].as_array().unwrap().iter();
    seconds.map(|it| it[field].as_i64().unwrap()).sum()
}

fn directory() -> TempDir {
    tempfile::Builder::new()
        .prefix("splitcart-loadtest-")
        // The user who runs PostgreSQL must be able to enter the directory.
        .permissions(std::fs::Permissions::from_mode(0o755))
        .tempdir()
        .unwrap()
}

#[tokio::test]
async fn a_closed_loop_counts_what_the_database_has_and_retries_are_answered_the_same() {
    let world = seeded(&[]).await;

    let report = measure(&world, "--count 150 --clients 8 --retries 0.4").await;

    assert_eq!(groups(&world).await, 150);
    assert_eq!(report["bought"]["groups"], 150);
    assert_eq!(report["bought"]["orders"], 450);
    assert_eq!(
        report["outcomes"],
        json!([{ "status": 201, "code": "", "count": 150 }])
    );
    assert_eq!(report["latency"]["count"], 150);
    assert_eq!(sum(&report, "succeeded"), 150);
    let replays = &report["replays"];
    assert!(replays["same"].as_i64().unwrap() > 20, "{replays}");
    assert_eq!(
        (&replays["wrong"], &replays["refused"]),
        (&json!(0), &json!(0))
    );
    let batches = &report["batches"];
    let checkouts = batches["count"].as_f64().unwrap() * batches["mean_size"].as_f64().unwrap();
    // A retry that arrives before the answer is in Redis becomes a member of a batch, too.
    let retried = replays["same"].as_f64().unwrap();
    assert!((149.5..=150.5 + retried).contains(&checkouts), "{batches}");
    let (latency, seconds) = (&report["latency"], report["seconds"].as_f64().unwrap());
    assert!(latency["p50_ms"].as_f64() <= latency["max_ms"].as_f64());
    let rate = report["goodput_per_second"].as_f64().unwrap();
    assert!(
        (rate * seconds - 150.0).abs() < 0.5,
        "{rate} in {seconds} s"
    );

    // The buyers exist and have bought; a second test gives them new carts.
    measure(&world, "--count 20 --clients 4 --seed 2").await;
    assert_eq!(groups(&world).await, 170);
}

#[tokio::test]
async fn a_server_under_tls_is_measured_if_its_certificate_is_trusted() {
    let certificate = Certificate::new();
    let file = |name| certificate.name(name);
    let world = seeded(&[
        ("SPLITCART_HTTP_TLS_CERT_FILE", &file("cert")),
        ("SPLITCART_HTTP_TLS_KEY_FILE", &file("key")),
    ])
    .await;
    let (url, ca) = (https(&world.server), file("cert"));

    for (prepare, bought) in [("db", 40), ("api", 80)] {
        let options = format!(
            "--ca {ca} --count 40 --clients 4 --retries 0.5 --prepare {prepare} --seed {bought}"
        );
        let (output, report) = run(loadtest_at(&url, &world, &options)).await;
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{told}");
        assert_eq!(report["complaints"], json!([]), "{told}");
        assert_eq!(groups(&world).await, bought);
        assert!(report["replays"]["same"].as_i64().unwrap() > 5, "{told}");
    }

    let mut stranger = loadtest_at(&url, &world, "--count 1");
    let output = tokio::task::spawn_blocking(move || stranger.output().unwrap());
    let output = output.await.unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success());
    assert!(
        told.contains("--ca") && told.contains("UnknownIssuer"),
        "{told}"
    );
}

#[tokio::test]
async fn an_open_loop_sends_at_its_own_pace_and_draws_a_picture() {
    let world = seeded(&[]).await;
    let directory = directory();
    let picture = directory.path().join("latency.svg");

    let options = format!(
        "--rate 50 --warmup 400ms --duration 1200ms --plot {}",
        picture.display()
    );
    let report = measure(&world, &options).await;

    // 20 arrivals in the warm-up, 60 after it.
    assert_eq!(groups(&world).await, 80);
    assert_eq!(report["succeeded_in_all"], 80);
    assert_eq!(report["latency"]["count"], 60);
    assert_eq!(
        (&report["not_sent"], &report["settings"]["rate"]),
        (&json!(0), &json!(50.0))
    );
    assert_eq!(report["series"].as_array().unwrap().len(), 2);
    assert!((report["seconds"].as_f64().unwrap() - 1.2).abs() < 1e-9);
    let svg = std::fs::read_to_string(picture).unwrap();
    assert!(svg.starts_with("<svg ") && svg.trim_end().ends_with("</svg>"));
    assert!(
        svg.contains("latency of successes in ms") && svg.contains("p99.9"),
        "{svg}"
    );
}

/// Arrivals that the server can't keep up with are counted, never dropped silently.
#[tokio::test]
async fn arrivals_without_a_place_are_counted() {
    let world = seeded(&[]).await;

    let options = "--rate 400 --max-in-flight 2 --duration 1s --warmup 0 --lines 1";
    let report = measure(&world, options).await;

    let rates = &report["arrivals_per_second"];
    let (offered, sent) = (
        rates["offered"].as_f64().unwrap(),
        rates["sent"].as_f64().unwrap(),
    );
    assert!((offered - 400.0).abs() < 1.0 && sent < offered, "{rates}");
    let of_series = |name: &str| -> i64 {
        let seconds = report["series"].as_array().unwrap().iter();
        seconds.map(|second| second[name].as_i64().unwrap()).sum()
    };
    assert_eq!(of_series("offered"), 400);
    assert_eq!(of_series("not_sent"), report["not_sent"].as_i64().unwrap());
    let not_sent = report["not_sent"].as_i64().unwrap();
    assert!(not_sent > 0);
    assert_eq!(groups(&world).await + not_sent, 400);
    assert!(
        report["notes"][0]
            .as_str()
            .unwrap()
            .contains("--max-in-flight")
    );
}

/// The driver prepares the carts through the API, so that the server itself has frozen them.
#[tokio::test]
async fn a_hundred_units_are_sold_to_more_buyers_exactly() {
    let world = seeded(&[]).await;
    let directory = directory();
    let picture = directory.path().join("flash-sale.png");

    let options = format!(
        "--prepare api --count 130 --clients 32 --hot-share 1 --hot-stock 100 --lines 1 --qty 1 \
         --plot {}",
        picture.display()
    );
    let report = measure(&world, &options).await;

    let hot = &report["stock"]["hot"];
    assert_eq!(
        (&hot["available_before"], &hot["units"]),
        (&json!(100), &json!(100))
    );
    assert_eq!(hot["available_after"], 0);
    let bought = &report["bought"];
    let lines = (&bought["lines_reserved"], &bought["lines_rejected"]);
    assert_eq!(lines, (&json!(100), &json!(30)));
    let sold = "select sum(qty) from order_line_items where status = 'pending'";
    assert_eq!(world.market.database.count(sold).await, 100);
    assert_is_picture(&picture);
}

/// A PNG that can be decoded, with something drawn in it.
fn assert_is_picture(path: &Path) {
    let file = std::io::BufReader::new(std::fs::File::open(path).unwrap());
    let mut reader = png::Decoder::new(file).read_info().unwrap();
    let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
    let info = reader.next_frame(&mut pixels).unwrap();
    assert_eq!((info.width, info.height), (1200, 800));
    let drawn = pixels.iter().filter(|it| **it != 255).count();
    assert!(drawn > 10_000, "{drawn} bytes are not white");
}

#[tokio::test]
async fn carts_and_whole_purchases_are_measured_too() {
    let world = seeded(&[]).await;
    let few = "--count 60 --clients 8 --carts 10 --lines 2";

    let put = measure(&world, &format!("--mode cart-put {few} --retries 0.3")).await;
    assert_eq!(
        put["outcomes"],
        json!([{ "status": 200, "code": "", "count": 60 }])
    );
    assert!(put["replays"]["same"].as_i64().unwrap() > 5);
    assert_eq!(groups(&world).await, 0);

    let get = measure(&world, &format!("--mode cart-get {few}")).await;
    assert_eq!(
        get["outcomes"],
        json!([{ "status": 200, "code": "", "count": 60 }])
    );

    let purchase = measure(&world, &format!("--mode purchase {few} --retries 0.3")).await;
    assert_eq!(
        purchase["outcomes"],
        json!([{ "status": 201, "code": "", "count": 60 }])
    );
    assert_eq!(purchase["bought"]["groups"], 60);
    assert_eq!(groups(&world).await, 60);
}

#[tokio::test]
async fn the_refused_come_back_under_their_key_until_they_have_bought() {
    let settings = [
        ("SPLITCART_BATCH_MAX", "1"),
        ("SPLITCART_QUEUE_MAX", "1"),
        ("SPLITCART_TRANSACTIONS_IN_FLIGHT", "1"),
    ];
    let world = seeded(&settings).await;

    let report = measure(&world, "--count 60 --clients 16 --retry-refused jitter").await;

    assert_eq!(groups(&world).await, 60);
    assert_eq!(report["latency"]["count"], 60);
    let refused = report["refusals"]["count"].as_i64().unwrap();
    assert!(refused > 0);
    assert_eq!(report["sent_again"], refused);
}

/// A run whose figures would be worthless ends with a status that scripts can check.
#[tokio::test]
async fn a_run_that_is_not_sound_says_why_and_fails() {
    let world = seeded(&[]).await;

    let mut stranger = loadtest(&world, "--count 5 --clients 2");
    stranger.env(
        "SPLITCART_AUTH_HS256_SECRET",
        "another-secret-than-the-servers-own",
    );
    let (output, report) = run(stranger).await;
    assert!(!output.status.success());
    let complaints = report["complaints"].to_string();
    assert!(
        complaints.contains("5 answers were 401 UNAUTHORIZED"),
        "{complaints}"
    );

    let broken = "update inventory_items set reserved_qty = reserved_qty + 1
        where product_id = (select product_id from inventory_items limit 1)";
    world.market.database.run(broken).await;
    let (output, report) = run(loadtest(&world, "--count 5 --clients 2")).await;
    assert!(!output.status.success());
    let complaints = report["complaints"].to_string();
    assert!(complaints.contains("the audit finds"), "{complaints}");
    assert!(String::from_utf8_lossy(&output.stderr).contains("The run was not sound."));
}

#[tokio::test]
async fn an_empty_catalogue_and_a_missing_database_are_told_in_a_sentence() {
    let world = World::start().await;
    let told = async |mut command: Command| {
        let output = tokio::task::spawn_blocking(move || command.output().unwrap());
        let output = output.await.unwrap();
        assert!(!output.status.success());
        String::from_utf8_lossy(&output.stderr).into_owned()
    };

    let empty = told(loadtest(&world, "--count 5")).await;
    assert!(empty.contains("`splitcart seed`"), "{empty}");
    let nowhere = told(splitcart("loadtest")).await;
    assert!(nowhere.contains("SPLITCART_DATABASE_URL"), "{nowhere}");
}

#[tokio::test]
async fn with_private_servers_nothing_else_is_needed_and_nothing_is_left() {
    let directory = directory();
    let mut command = private(&directory, "--count 20 --clients 4 --json -");
    let ran = tokio::task::spawn_blocking(move || command.output().unwrap());
    let output = ran.await.unwrap();

    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{told}");
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["bought"]["groups"], 20, "{told}");
    assert_eq!(leftovers(&directory), Vec::<PathBuf>::new());
}

/// Ctrl-C ends the load, reports the results so far, and stops the servers that were started.
#[tokio::test]
async fn a_signal_ends_a_private_test_in_order() {
    let directory = directory();
    let mut child = private(
        &directory,
        "--clients 2 --duration 60s --carts 20000 --lines 1",
    )
    .stdout(Stdio::piped())
    .stderr(Stdio::piped())
    .spawn()
    .unwrap();
    let mut said = std::io::BufRead::lines(std::io::BufReader::new(child.stderr.take().unwrap()));
    let ended = tokio::task::spawn_blocking(move || {
        assert!(said.any(|line| line.unwrap().contains("1 s:")));
        signal(child.id(), "INT");
        said.for_each(drop);
        child.wait_with_output().unwrap()
    });
    let output = ended.await.unwrap();

    let told = String::from_utf8_lossy(&output.stdout);
    assert!(!output.status.success());
    assert!(
        told.contains("NOT SOUND: a signal has stopped it"),
        "{told}"
    );
    assert!(told.contains("rules hold"), "{told}");
    assert_eq!(leftovers(&directory), Vec::<PathBuf>::new());
}

/// The command with its temporary files in a directory of the test.
fn private(directory: &TempDir, options: &str) -> Command {
    let mut command = splitcart("loadtest");
    command
        .env("TMPDIR", directory.path())
        .args([
            "--private",
            "--seed-vendors",
            "20",
            "--seed-products",
            "200",
        ])
        .args(options.split_whitespace());
    command
}

fn leftovers(directory: &TempDir) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(directory.path()).unwrap();
    entries.map(|entry| entry.unwrap().path()).collect()
}

/// Other programs that send the exported lines send the driver's requests: every line once, all carts
/// bought.
#[tokio::test]
async fn an_export_has_a_request_a_line_that_any_client_can_send() {
    let world = seeded(&[]).await;
    let directory = directory();
    let file = directory.path().join("requests.ndjson");
    for (mode, expected) in [("checkout", 201), ("cart-put", 200), ("cart-get", 200)] {
        let options = format!(
            "--mode {mode} --carts 25 --prepare-only --export {}",
            file.display()
        );
        let output = tokio::task::spawn_blocking({
            let mut command = export(&world, &options);
            move || command.output().unwrap()
        });
        let output = output.await.unwrap();
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{told}");

        let lines = std::fs::read_to_string(&file).unwrap();
        let lines: Vec<Value> = lines
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();

        assert_eq!(lines.len(), 25, "{mode}");
        for line in lines {
            let text = |name: &str| line[name].as_str().unwrap().to_owned();
            let path = text("url").replace(&world.server.http, "");
            let client = world.server.stranger().with_token(Some(&text("token")));
            let mut request = client.request(text("method").parse().unwrap(), &path);
            if !line["body"].is_null() {
                request = request
                    .header("Idempotency-Key", text("key"))
                    .header("Content-Type", "application/json")
                    .body(text("body"));
            }
            let reply = crate::support::Client::send(request).await;
            assert_eq!(reply.status, expected, "{mode}: {}", reply.text());
        }
    }
    assert_eq!(groups(&world).await, 25);
}

#[test]
fn an_export_needs_a_server_that_stays_and_requests_that_stand_alone() {
    for (options, told) in [
        ("--prepare-only", "--export"),
        ("--export x.ndjson", "--prepare-only"),
        ("--prepare-only --export x.ndjson --private", "--private"),
        (
            "--prepare-only --export x.ndjson --mode purchase",
            "--mode purchase",
        ),
    ] {
        let mut command = splitcart("loadtest");
        let output = command.args(options.split_whitespace()).output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(
            !output.status.success() && stderr.contains(told),
            "{options}: {stderr}"
        );
    }
}

fn export(world: &World, options: &str) -> Command {
    let mut command = splitcart("loadtest");
    command
        .env("SPLITCART_DATABASE_URL", &world.market.database.url)
        .env("SPLITCART_REDIS_URL", &world.redis.url)
        .env("SPLITCART_AUTH_HS256_SECRET", SECRET)
        .args(["--url", &world.server.http])
        .args(options.split_whitespace());
    command
}
