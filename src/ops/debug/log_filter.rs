//! `/debug/log-filter`: what is logged, and what is to be logged for a while.

use std::time::{Duration, Instant};

use actix_web::{HttpResponse, web};
use serde::Deserialize;
use serde_json::json;

use crate::telemetry::filter;

use super::{Enabled, invalid};

const FILTER_LEN_MAX: usize = 4096;
/// The time for which a filter is kept if the request names none, and at most.
const USUAL: Duration = Duration::from_mins(10);
const LONGEST: Duration = Duration::from_hours(24);

#[derive(Deserialize)]
pub(super) struct Query {
    /// Such as `10m`.
    #[serde(rename = "for")]
    keep_for: Option<String>,
}

/// Shows the filter in use, and how long it stays.
pub(super) async fn show(_: Enabled) -> HttpResponse {
    shown()
}

/// Replaces the filter by the body, and puts the configured one back after a while.
pub(super) async fn replace(_: Enabled, query: web::Query<Query>, body: String) -> HttpResponse {
    let filter = body.trim();
    if filter.is_empty() || filter.len() > FILTER_LEN_MAX {
        return invalid("The body must be a filter such as info,splitcart=debug.");
    }
    let keep_for = match &query.keep_for {
        None => Some(USUAL),
        Some(text) => humantime::parse_duration(text).ok(),
    };
    let Some(keep_for) = keep_for.filter(|time| !time.is_zero() && *time <= LONGEST) else {
        return invalid("`for` must be a time such as 10m, at most 24h.");
    };
    let change = match filter::replace(filter, keep_for) {
        Ok(change) => change,
        Err(error) => return invalid(&format!("The filter is malformed: {}.", error.0)),
    };
    tracing::warn!("the log's filter is {filter:?} for {keep_for:?}");
    actix_web::rt::spawn(async move {
        tokio::time::sleep(keep_for).await;
        filter::revert(&change);
    });
    shown()
}

fn shown() -> HttpResponse {
    let Some(filters) = filter::current() else {
        return HttpResponse::ServiceUnavailable().finish();
    };
    let left = |until: Instant| until.saturating_duration_since(Instant::now()).as_secs();
    let in_use = match &filters.change {
        Some(change) => &change.filter,
        None => &filters.configured,
    };
    HttpResponse::Ok().json(json!({
        "filter": in_use,
        "configured": filters.configured,
        "reverts_in_s": filters.change.as_ref().map(|change| left(change.until)),
    }))
}
