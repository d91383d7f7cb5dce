//! Stock counts beside the load: one client of one vendor, one request of 1,000 rows at a time.

use std::{
    cell::{Cell, RefCell},
    time::{Duration, Instant},
};

use hyper::header::HeaderValue;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::sync::Notify;

use super::{
    answers::{code_in, is_refusal},
    beside_options::StockRate,
    connection::Connection,
    counting_vendor,
    endpoint::Endpoint,
    latency::Percentiles,
    record::{Outcome, Recorder},
    report::{ErrorCount, OutcomeCount, errors, outcomes},
    requests::Request,
};

/// Rows in a request: the most that the server takes.
pub const ROWS: u32 = 1_000;
/// The pause after a request that was refused or not answered.
const PAUSE: Duration = Duration::from_millis(20);

/// See the module.
#[derive(Debug)]
pub struct StockCounts {
    bearer: HeaderValue,
    rate: StockRate,
    /// In thousands.
    products_k: u32,
    recorder: RefCell<Recorder>,
    rows: Cell<Rows>,
    stopped: Cell<bool>,
    stop: Notify,
}

/// Rows of all requests by their result, before and after the window, too.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Rows {
    pub changed: u64,
    pub unchanged: u64,
    pub refused: u64,
}

/// The counts in the report.
#[derive(Clone, Debug, Serialize)]
pub struct StockCountsReport {
    /// None if as many as possible.
    pub rows_per_second_asked: Option<f64>,
    /// Of the answers within the window.
    pub rows_per_second: f64,
    pub rows: Rows,
    /// Of requests of 1,000 rows each.
    pub latency: Option<Percentiles>,
    pub refusals: Option<Percentiles>,
    pub outcomes: Vec<OutcomeCount>,
    pub errors: Vec<ErrorCount>,
    /// The first unexpected answers.
    pub unexpected: Vec<String>,
}

#[derive(Deserialize)]
struct Envelope {
    data: Results,
}

#[derive(Deserialize)]
struct Results {
    results: Vec<RowResult>,
}

#[derive(Deserialize)]
struct RowResult {
    result: String,
}

impl StockCounts {
    /// Counts the products of the vendor, so many thousands, again and again.
    pub fn new(bearer: HeaderValue, rate: StockRate, products_k: u32, recorder: Recorder) -> Self {
        Self {
            bearer,
            rate,
            products_k,
            recorder: RefCell::new(recorder),
            rows: Cell::default(),
            stopped: Cell::new(false),
            stop: Notify::new(),
        }
    }

    /// Lets the request end that has begun, and begins no other.
    pub fn stop(&self) {
        self.stopped.set(true);
        self.stop.notify_one();
    }

    /// Sends requests until it is stopped.
    pub async fn run(&self, endpoint: &Endpoint, timeout: Duration) {
        let mut connection = Connection::to(endpoint);
        let start = Instant::now();
        for number in 0_u32.. {
            let due = match self.rate {
                StockRate::PerSecond(rows) => {
                    start + Duration::from_secs_f64(f64::from(number) * f64::from(ROWS) / rows)
                }
                StockRate::Max | StockRate::Off => Instant::now(),
            };
            self.wait(due).await;
            if self.stopped.get() {
                return;
            }
            if !self.send(&mut connection, number, timeout).await {
                self.wait(Instant::now() + PAUSE).await;
            }
        }
    }

    async fn wait(&self, until: Instant) {
        tokio::select! {
            () = tokio::time::sleep_until(until.into()) => {}
            () = self.stop.notified() => {}
        }
    }

    /// True if the rows were counted.
    async fn send(&self, connection: &mut Connection, number: u32, timeout: Duration) -> bool {
        let body = body(number, self.products_k);
        let request = Request::count_stock(self.bearer.clone(), &body);
        let sent = Instant::now();
        let outcome = match tokio::time::timeout(timeout, connection.exchange(&request)).await {
            Ok(Ok(answer)) if answer.status == 200 => {
                self.add(&answer.body);
                Outcome::Succeeded(200)
            }
            Ok(Ok(answer)) if is_refusal(answer.status) => {
                Outcome::Refused(answer.status, code_in(&answer.body).to_owned())
            }
            Ok(Ok(answer)) => Outcome::Unexpected {
                status: answer.status,
                code: code_in(&answer.body).to_owned(),
                body: String::from_utf8_lossy(&answer.body).into_owned(),
            },
            Ok(Err(error)) => Outcome::Lost(error.to_string()),
            Err(_) => {
                connection.close();
                Outcome::Lost(format!("no answer within {timeout:?}"))
            }
        };
        let succeeded = matches!(outcome, Outcome::Succeeded(_));
        let now = Instant::now();
        self.recorder.borrow_mut().record(sent, now, outcome);
        succeeded
    }

    fn add(&self, body: &[u8]) {
        let mut rows = self.rows.get();
        let results = serde_json::from_slice::<Envelope>(body);
        for row in results.map_or_else(|_| Vec::new(), |it| it.data.results) {
            match row.result.as_str() {
                "changed" => rows.changed += 1,
                "unchanged" => rows.unchanged += 1,
                _ => rows.refused += 1,
            }
        }
        self.rows.set(rows);
    }

    /// The results, over a window of that length.
    pub fn report(&self, end: Instant, seconds: f64) -> StockCountsReport {
        let mut recorder = self.recorder.borrow_mut();
        recorder.finish(end);
        let rows = recorder.window.succeeded * u64::from(ROWS);
        StockCountsReport {
            rows_per_second_asked: match self.rate {
                StockRate::PerSecond(rows) => Some(rows),
                StockRate::Max | StockRate::Off => None,
            },
            rows_per_second: if seconds > 0.0 {
                rows as f64 / seconds
            } else {
                0.0
            },
            rows: self.rows.get(),
            latency: Percentiles::of(recorder.succeeded()),
            refusals: Percentiles::of(recorder.refused()),
            outcomes: outcomes(&recorder),
            errors: errors(&recorder),
            unexpected: recorder.examples.clone(),
        }
    }
}

/// Request `number`, from 0: the next thousand products, in another quantity each time round.
fn body(number: u32, products_k: u32) -> Value {
    let (round, part) = (number / products_k, number % products_k);
    let item = |product: u32| {
        json!({
            "product_id": counting_vendor::product_id(product),
            "available_qty": 1_000 + (round + product) % 1_000,
        })
    };
    let products = (1..=ROWS).map(|product| part * ROWS + product);
    json!({ "items": products.map(item).collect::<Vec<_>>() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_round_names_every_product_once_and_changes_its_quantity() {
        let items = |number| body(number, 2)["items"].as_array().unwrap().clone();
        let first: Vec<_> = [items(0), items(1)].concat();
        let second: Vec<_> = [items(2), items(3)].concat();
        let ids: std::collections::HashSet<_> = first
            .iter()
            .map(|it| it["product_id"].to_string())
            .collect();
        assert_eq!((first.len(), ids.len()), (2_000, 2_000));
        for (before, after) in first.iter().zip(&second) {
            assert_eq!(before["product_id"], after["product_id"]);
            assert_ne!(before["available_qty"], after["available_qty"]);
        }
    }
}
