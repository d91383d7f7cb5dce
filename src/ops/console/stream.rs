//! The routes of the figures: a moment, the stream of moments, and one vendor.
//!
//! A watcher always gets the newest moment: nothing is queued for one that reads slowly. A watcher that has
//! read nothing for a while gives its place up to a newcomer.

use std::{
    convert::Infallible,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use actix_web::{
    HttpRequest, HttpResponse,
    http::{Method, header},
    web::{self, Bytes},
};
use futures_util::stream;
use serde_json::{Value, json};
use tokio::{
    sync::{oneshot, watch},
    time::timeout,
};

use crate::domain::ids::VendorStoreId;

use super::{
    super::{Ops, refusal},
    Console,
    lookups::Lookup,
};

/// The most streams at a time. The private listener takes a hundred connections, and health checks need
/// some of them.
const WATCHERS_MAX: usize = 32;
/// A stream whose reader has not taken anything for so long is ended.
const UNREAD_MAX: Duration = Duration::from_secs(15);
/// The time after which a browser that was cut off comes back.
const RETRY_MS: u32 = 1000;
/// A comment is sent if there is no moment for so long.
const KEEP_ALIVE_AFTER: Duration = Duration::from_secs(3);
/// The time that the first moment after the start may take to appear.
const FIRST_MOMENT_MAX: Duration = Duration::from_secs(2);
/// The time that a question about a vendor may take, the wait for others included.
const DETAILS_MAX: Duration = Duration::from_secs(3);

/// The open streams.
#[derive(Debug, Default)]
pub(super) struct Watchers(Arc<Mutex<Vec<Watcher>>>);

#[derive(Debug)]
struct Watcher {
    number: u64,
    read_at: Instant,
}

impl Watchers {
    pub(super) fn any(&self) -> bool {
        !self.watchers().is_empty()
    }

    /// Takes a place. If all are taken, a watcher that does not read loses its place.
    fn join(&self) -> Option<Joined> {
        let mut watchers = self.watchers();
        if watchers.len() >= WATCHERS_MAX {
            watchers.retain(|it| it.read_at.elapsed() < UNREAD_MAX);
        }
        if watchers.len() >= WATCHERS_MAX {
            return None;
        }
        let number = watchers.iter().map(|it| it.number + 1).max().unwrap_or(0);
        let read_at = Instant::now();
        watchers.push(Watcher { number, read_at });
        Some(Joined {
            number,
            watchers: Arc::clone(&self.0),
        })
    }

    fn watchers(&self) -> MutexGuard<'_, Vec<Watcher>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A place among the watchers. Dropping it gives it up.
#[derive(Debug)]
struct Joined {
    number: u64,
    watchers: Arc<Mutex<Vec<Watcher>>>,
}

impl Joined {
    /// Notes that the reader takes something. False if it has not for too long, or has lost its place.
    fn note_read(&self) -> bool {
        let mut watchers = self.watchers.lock().unwrap_or_else(PoisonError::into_inner);
        let watcher = watchers.iter_mut().find(|it| it.number == self.number);
        watcher.is_some_and(|it| {
            let since = std::mem::replace(&mut it.read_at, Instant::now());
            since.elapsed() < UNREAD_MAX
        })
    }
}

impl Drop for Joined {
    fn drop(&mut self) {
        let mut watchers = self.watchers.lock().unwrap_or_else(PoisonError::into_inner);
        watchers.retain(|it| it.number != self.number);
    }
}

/// `GET /ops/snapshot`: the newest moment.
pub(super) async fn snapshot(ops: web::Data<Ops>) -> HttpResponse {
    ops.console.note_watcher();
    let mut latest = ops.console.0.latest.subscribe();
    let first = latest.wait_for(|text| !text.is_empty());
    match timeout(FIRST_MOMENT_MAX, first).await {
        Ok(Ok(text)) => answer("application/json").body(text.to_string()),
        _ => refusal(
            &mut HttpResponse::ServiceUnavailable(),
            "NOT_YET",
            "Nothing was sampled yet.",
        ),
    }
}

/// `GET /ops/stream`: the last quarter of an hour, then a moment a second, as server-sent events.
pub(super) async fn open(request: HttpRequest, ops: web::Data<Ops>) -> HttpResponse {
    if request.method() == Method::HEAD {
        return answer("text/event-stream").finish();
    }
    let Some(joined) = ops.console.0.watchers.join() else {
        return refusal(
            HttpResponse::ServiceUnavailable().insert_header((header::RETRY_AFTER, "5")),
            "TOO_MANY_WATCHERS",
            "As many streams are open as there may be.",
        );
    };
    let watching = Watching {
        latest: ops.console.0.latest.subscribe(),
        beginning: Some(beginning(&ops.console)),
        joined,
    };
    let texts = stream::unfold(watching, |mut watching| async {
        let text = watching.next().await?;
        Some((Ok::<_, Infallible>(Bytes::from(text)), watching))
    });
    answer("text/event-stream")
        .insert_header(("X-Accel-Buffering", "no"))
        .streaming(Box::pin(texts))
}

fn answer(content_type: &'static str) -> actix_web::HttpResponseBuilder {
    let mut response = HttpResponse::Ok();
    response
        .content_type(content_type)
        .insert_header((header::CACHE_CONTROL, "no-store"));
    response
}

fn beginning(console: &Console) -> String {
    let history = serde_json::to_string(&*console.history()).expect("all keys are texts");
    format!("retry: {RETRY_MS}\nevent: history\ndata: {history}\n\n")
}

/// A stream at work.
struct Watching {
    latest: watch::Receiver<Arc<str>>,
    /// Until it was sent.
    beginning: Option<String>,
    joined: Joined,
}

impl Watching {
    /// The next part; `None` ends the stream.
    async fn next(&mut self) -> Option<String> {
        if !self.joined.note_read() {
            return None;
        }
        if let Some(beginning) = self.beginning.take() {
            return Some(beginning);
        }
        match timeout(KEEP_ALIVE_AFTER, self.latest.changed()).await {
            Ok(Ok(())) => {
                let text = self.latest.borrow_and_update().clone();
                (!text.is_empty()).then(|| format!("event: moment\ndata: {text}\n\n"))
            }
            Ok(Err(_)) => None,
            Err(_) => Some(": nothing new\n\n".to_owned()),
        }
    }
}

/// `GET /ops/vendors/{id}`: what PostgreSQL knows about a vendor. In the place of the id, `at-17` means the
/// vendor at place 17 of the map.
pub(super) async fn vendor(named: web::Path<String>, ops: web::Data<Ops>) -> HttpResponse {
    let console = &ops.console;
    console.note_watcher();
    let vendor = match named.strip_prefix("at-") {
        Some(place) => place
            .parse()
            .ok()
            .and_then(|place| console.places().holder(place)),
        None => named.parse::<VendorStoreId>().ok(),
    };
    let Some(vendor) = vendor else {
        return refusal(
            &mut HttpResponse::NotFound(),
            "NOT_FOUND",
            "There is no such vendor.",
        );
    };
    let (answer_to, details) = oneshot::channel();
    let lookup = Lookup {
        vendor,
        answer: answer_to,
    };
    if console.0.lookups.try_send(lookup).is_err() {
        return refusal(
            &mut HttpResponse::ServiceUnavailable(),
            "TOO_MANY_LOOKUPS",
            "As many questions wait as there may be.",
        );
    }
    match timeout(DETAILS_MAX, details).await {
        Ok(Ok(Ok(details))) => {
            let mut body = serde_json::to_value(details).unwrap_or(Value::Null);
            body["id"] = json!(vendor);
            let look = ops.directory.last_look_at(vendor);
            body["now"] = json!(look.map(|(depth, pace)| json!({
                "depth": depth,
                "wait_ms": pace.wait.as_secs_f64() * 1e3,
                "turns_per_s": pace.turns_per_s,
                "lines_per_s": pace.lines_per_s,
            })));
            answer("application/json").body(body.to_string())
        }
        Ok(Ok(Err(error))) => {
            tracing::debug!("a vendor could not be looked up: {error}");
            unavailable()
        }
        _ => unavailable(),
    }
}

fn unavailable() -> HttpResponse {
    refusal(
        &mut HttpResponse::ServiceUnavailable(),
        "DEPENDENCY_UNAVAILABLE",
        "PostgreSQL did not answer in time.",
    )
}
