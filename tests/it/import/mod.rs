//! `splitcart import`, as operators run it: files in, rows in the database, reports out.

mod extremes;
mod refusals;
mod stock;

use std::{
    fmt::Write,
    fs,
    path::{Path, PathBuf},
    process::{Output, Stdio},
};

use serde_json::{Value, json};
use tempfile::TempDir;
use uuid::Uuid;

use crate::support::{
    Buyer, Database, Redis, Server, assert_consistent, client::fresh_key, redis::signal,
    server::splitcart, wait,
};

/// A database of its own, and a directory for files.
struct Importing {
    database: Database,
    files: TempDir,
}

impl Importing {
    async fn start() -> Self {
        Self {
            database: Database::create().await,
            files: TempDir::new().unwrap(),
        }
    }

    /// With what is in docs/examples.
    async fn of_the_examples() -> Self {
        let importing = Self::start().await;
        let output = importing.run(&["docs/examples"]);
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        importing
    }

    fn file(&self, name: &str, text: impl AsRef<[u8]>) -> String {
        let path = self.files.path().join(name);
        fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    }

    fn command(&self, args: &[&str]) -> std::process::Command {
        let mut command = splitcart("import");
        command
            .args(args)
            .env("SPLITCART_DATABASE_URL", &self.database.url);
        command
    }

    fn run(&self, args: &[&str]) -> Output {
        self.command(args).stdin(Stdio::null()).output().unwrap()
    }

    /// Runs with `--json`; the status and the first file's report.
    fn report(&self, args: &[&str]) -> (i32, Value) {
        let output = self.run(&[args, &["--json"]].concat());
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let report: Value = serde_json::from_str(&text).unwrap_or_else(|_| panic!("{output:?}"));
        (output.status.code().unwrap(), report["files"][0].clone())
    }

    /// `[rows, inserted, updated, unchanged, refused]`.
    fn counts(&self, args: &[&str]) -> [u64; 5] {
        let (_, report) = self.report(args);
        ["rows", "inserted", "updated", "unchanged", "refused"]
            .map(|name| report[name].as_u64().unwrap())
    }
}

const BUYER: &str = "0195a000-0000-7000-8000-000000000001";
const ANN: &str = "0195a000-0000-7000-8000-000000000201";
const VENDOR: &str = "0195a000-0000-7000-8000-000000000101";
const OTHER_VENDOR: &str = "0195a000-0000-7000-8000-000000000102";
const KUSH: &str = "0195a000-0000-7000-8000-000000000301";

/// The whole way: files, a server, a token, a cart, a purchase.
#[tokio::test]
async fn the_examples_can_be_imported_twice_and_bought_from() {
    let importing = Importing::start().await;
    for expected in ["inserted", "unchanged"] {
        let output = importing.run(&["docs/examples", "--json"]);
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        let report: Value = serde_json::from_slice(&output.stdout).unwrap();
        let files = report["files"].as_array().unwrap();
        assert_eq!(files.len(), 9);
        for file in files {
            assert!(file["rows"].as_u64() > Some(0));
            assert_eq!(file[expected], file["rows"], "{file}");
        }
    }
    let redis = Redis::start().await;
    let server = Server::start(&importing.database.url, &redis.url, &[]).await;
    let client = server.client(&Buyer {
        user_id: ANN.parse().unwrap(),
        store_id: BUYER.parse().unwrap(),
    });
    let cart = json!({
        "items": [{ "product_id": KUSH, "vendor_store_id": VENDOR, "qty": 50 }],
        "discounts": [{ "vendor_store_id": VENDOR, "code": "harvest10" }],
        "totals": { "subtotal": "925.00", "discount_total": "134.35", "total": "790.65" },
    });

    let cart_id = client.freeze(&cart).await;
    let bought = client.check_out(&fresh_key(), cart_id).await;

    assert_eq!(bought.status, 201, "{}", bought.text());
    assert_eq!(bought.data()["total"], "790.65");
    assert_consistent(&importing.database).await;
}

/// What the page shows for curl works as it is written there.
#[tokio::test]
async fn the_request_of_the_page_is_answered_as_it_says() {
    let importing = Importing::of_the_examples().await;
    let page = fs::read_to_string("docs/import.md").unwrap();
    let body = page
        .split("-d '")
        .nth(1)
        .unwrap()
        .split('\'')
        .next()
        .unwrap();
    let cart: Value = serde_json::from_str(body).unwrap();
    let redis = Redis::start().await;
    let server = Server::start(&importing.database.url, &redis.url, &[]).await;
    let client = server.client(&Buyer {
        user_id: ANN.parse().unwrap(),
        store_id: BUYER.parse().unwrap(),
    });

    let reply = client.put_cart(&fresh_key(), &cart).await;

    assert_eq!(reply.status, 200, "{}", reply.text());
}

#[tokio::test]
async fn a_row_is_updated_only_where_it_says_something_else() {
    let importing = Importing::of_the_examples().await;
    let cents = |price: &str| format!("vendor_store_id,sku,price\n{VENDOR},FLW-OG-3.5,{price}\n");
    let dearer = importing.file("products.csv", cents("19"));
    assert_eq!(importing.counts(&[&dearer]), [1, 0, 1, 0, 0]);
    assert_eq!(importing.counts(&[&dearer]), [1, 0, 0, 1, 0]);
    // What the file does not have is as it was.
    let kept = "select count(*) from products
         where sku = 'FLW-OG-3.5' and price = 19 and moq = 10 and max_qty = 500
            and title = 'OG Kush, 3.5 g'";
    assert_eq!(importing.database.count(kept).await, 1);
    // Empty is null where a column may be null.
    let text = format!("vendor_store_id,sku,max_qty\n{VENDOR},FLW-OG-3.5,\n");
    let uncapped = importing.file("products.csv", text);
    assert_eq!(importing.counts(&[&uncapped]), [1, 0, 1, 0, 0]);
    let uncapped = "select count(*) from products where sku = 'FLW-OG-3.5' and max_qty is null";
    assert_eq!(importing.database.count(uncapped).await, 1);
    // A purchase limit is set, and then lifted with both its columns.
    let limit = |fields: &str| {
        let columns = "vendor_store_id,sku,buyer_limit_qty,buyer_limit_days";
        importing.file(
            "products.csv",
            format!("{columns}\n{VENDOR},FLW-OG-3.5,{fields}\n"),
        )
    };
    assert_eq!(importing.counts(&[&limit("5,30")]), [1, 0, 1, 0, 0]);
    assert_eq!(importing.counts(&[&limit("5,30")]), [1, 0, 0, 1, 0]);
    let limited =
        "select count(*) from products where buyer_limit_qty = 5 and buyer_limit_days = 30";
    assert_eq!(importing.database.count(limited).await, 1);
    assert_eq!(importing.counts(&[&limit(",")]), [1, 0, 1, 0, 0]);
    assert_eq!(importing.database.count(limited).await, 0);
}

#[tokio::test]
async fn both_formats_say_the_same() {
    let importing = Importing::of_the_examples().await;
    let csv = format!(
        "\u{feff}vendor_store_id,sku,title,price,category\r\n\
         {VENDOR},A-1,\"Two, \"\"quoted\"\"\",5,\r\n"
    );
    let ndjson = format!(
        "{{\"vendor_store_id\": \"{VENDOR}\", \"sku\": \"A-1\", \"price\": 5.00, \
         \"title\": \"Two, \\\"quoted\\\"\", \"category\": null}}\n"
    );
    let csv = importing.file("products.csv", csv);
    assert_eq!(importing.counts(&[&csv]), [1, 1, 0, 0, 0]);
    let ndjson = importing.file("products.ndjson", ndjson);
    let (status, report) = importing.report(&[&ndjson]);
    // Null is no text.
    assert_eq!((status, &report["refused"]), (0, &json!(0)), "{report}");
    assert_eq!(report["unchanged"], json!(1), "{report}");
}

/// A pipe that says nothing must not keep the command from being stopped, and what came so far is
/// not imported.
#[tokio::test]
async fn whoever_waits_for_standard_input_can_be_stopped() {
    use std::io::{BufRead, BufReader, Write as _};
    let importing = Importing::of_the_examples().await;
    let before = importing.database.contents().await;
    let mut child = importing
        .command(&["--kind", "stock", "--format", "csv", "-"])
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut pipe = child.stdin.take().unwrap();
    let text = format!("product_id,available_qty\n{KUSH},7\n");
    pipe.write_all(text.as_bytes()).unwrap();
    let mut told = BufReader::new(child.stderr.take().unwrap()).lines();
    assert_eq!(told.next().unwrap().unwrap(), "reading standard input");

    signal(child.id(), "INT");

    let mut status = None;
    wait::until("the import has ended", async || {
        status = child.try_wait().unwrap();
        status.is_some()
    })
    .await;
    drop(pipe);
    assert_eq!(status.unwrap().code(), Some(2));
    assert_eq!(
        told.next().unwrap().unwrap(),
        "splitcart: stopped by a signal"
    );
    assert_eq!(importing.database.contents().await, before);
}

#[tokio::test]
async fn rows_may_come_by_standard_input() {
    use std::io::Write as _;
    let importing = Importing::of_the_examples().await;
    let mut child = importing
        .command(&["--kind", "stock", "--format", "csv", "-", "--json"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let text = format!("product_id,available_qty\n{KUSH},7\n");
    child
        .stdin
        .take()
        .unwrap()
        .write_all(text.as_bytes())
        .unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let seven = "select count(*) from inventory_items where available_qty = 7";
    assert_eq!(importing.database.count(seven).await, 1);
}

#[tokio::test]
async fn a_dry_run_shows_all_and_writes_nothing() {
    let importing = Importing::start().await;
    let before = importing.database.contents().await;
    let output = importing.run(&["--dry-run", "docs/examples", "--json"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    for file in report["files"].as_array().unwrap() {
        assert_eq!(file["inserted"], file["rows"], "{file}");
        assert_eq!(file["imported"], json!(false));
    }
    let output = importing.run(&["--dry-run", "docs/examples"]);
    let shown = String::from_utf8(output.stdout).unwrap();
    assert!(shown.contains("a dry run: nothing was written"), "{shown}");
    assert_eq!(importing.database.contents().await, before);
}

#[tokio::test]
async fn what_can_not_be_used_is_told_and_changes_nothing() {
    let importing = Importing::of_the_examples().await;
    let before = importing.database.contents().await;
    for (name, text, told) in [
        ("goods.csv", "a\n", "--kind"),
        ("products.csv", "", "names the columns"),
        (
            "products.csv",
            "sku,colour\nx,red\n",
            "line 1: names unknown columns of products: \"colour\"; known: id, vendor_store_id",
        ),
        (
            "products.csv",
            "\ncolour,sku,size\n",
            "line 2: names unknown columns of products: \"colour\", \"size\";",
        ),
        ("products.csv", "sku,sku\nx,y\n", "names sku twice"),
        ("products.csv", "sku,\"title\nx,y\n", "never closed"),
        (
            "products.csv",
            "title,price\nx,1\n",
            "id, or vendor_store_id and sku",
        ),
    ] {
        let file = importing.file(name, text);
        let output = importing.run(&[&file]);
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{error}");
        assert!(error.contains(told), "{error}");
        assert!(error.contains(name), "{error}");
    }
    let good = importing.file("stock.csv", format!("product_id,available_qty\n{KUSH},1\n"));
    let overwriting = importing.run(&[&good, "--refused", &good]);
    assert_eq!(overwriting.status.code(), Some(2), "{overwriting:?}");
    assert!(fs::read_to_string(&good).unwrap().contains(KUSH));
    let missing = importing.run(&["nowhere/products.csv"]);
    assert_eq!(missing.status.code(), Some(2));
    let empty = importing.files.path().join("empty");
    fs::create_dir(&empty).unwrap();
    let empty = empty.to_str().unwrap();
    let misspelt = importing.files.path().join("misspelt");
    fs::create_dir(&misspelt).unwrap();
    fs::write(misspelt.join("prodcuts.csv"), "sku\n").unwrap();
    for (args, told) in [
        (&[empty][..], "has no file to import"),
        (&[misspelt.to_str().unwrap()], "prodcuts.csv"),
        (&["--kind", "stock", "docs/examples"], "is a directory"),
        (
            &["--kind", "stock", "--format", "csv", "-", "-"],
            "can be read once only",
        ),
    ] {
        let output = importing.run(args);
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{error}");
        assert!(error.contains(told), "{error}");
    }
    assert_eq!(importing.database.contents().await, before);
}

/// What was imported before a file that can't be used stays, and is told.
#[tokio::test]
async fn a_file_that_can_not_be_used_does_not_hide_what_came_before_it() {
    let importing = Importing::of_the_examples().await;
    let text = format!("vendor_store_id,sku,title,price\n{VENDOR},B-1,Before,5\n");
    let before = importing.file("products.csv", text);
    let broken = importing.file("stock.csv", "colour\nred\n");

    let output = importing.run(&[&before, &broken]);

    assert_eq!(output.status.code(), Some(2), "{output:?}");
    assert!(
        String::from_utf8(output.stderr)
            .unwrap()
            .contains("stock.csv")
    );
    let shown = String::from_utf8(output.stdout).unwrap();
    assert!(
        shown.contains("products.csv") && !shown.contains("stock.csv"),
        "{shown}"
    );
    let there = "select count(*) from products where sku = 'B-1'";
    assert_eq!(importing.database.count(there).await, 1);
}

/// A file of any length goes through the same memory: rows are never gathered here.
#[tokio::test]
async fn memory_does_not_grow_with_the_file() {
    let importing = Importing::of_the_examples().await;
    let products = |rows: usize| {
        let mut text = "vendor_store_id,sku,title,price\n".to_owned();
        for nr in 0..rows {
            let title = "x".repeat(200);
            writeln!(text, "{VENDOR},S-{nr},{title},1.00").unwrap();
        }
        text
    };
    let mut peaks = Vec::new();
    for rows in [2_000, 60_000] {
        let file = importing.file("products.csv", products(rows));
        peaks.push(peak_bytes(&importing, Path::new(&file)));
    }
    let [few, many] = peaks[..] else {
        unreachable!()
    };
    // The larger file alone has 16 MB more.
    assert!(many < few + 4_000_000, "{few} bytes, then {many}");
    let all = "select count(*) from products where sku like 'S-%'";
    assert_eq!(importing.database.count(all).await, 60_000);
}

/// The most memory that the command ever had, by the kernel's account.
fn peak_bytes(importing: &Importing, file: &Path) -> u64 {
    let mut child = importing
        .command(&[file.to_str().unwrap()])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let status: PathBuf = format!("/proc/{}/status", child.id()).into();
    let mut peak = 0;
    loop {
        // The kernel keeps the highest mark, so nothing between two looks is missed but the end.
        if let Ok(text) = fs::read_to_string(&status) {
            let line = text.lines().find(|line| line.starts_with("VmHWM:"));
            let kib = line.and_then(|line| line.split_whitespace().nth(1));
            peak = kib.map_or(peak, |kib| kib.parse::<u64>().unwrap() * 1024);
        }
        if let Some(ended) = child.try_wait().unwrap() {
            assert!(ended.success());
            assert!(peak > 0);
            return peak;
        }
        std::thread::yield_now();
    }
}

fn id() -> String {
    Uuid::now_v7().to_string()
}
