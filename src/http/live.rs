//! `GET /api/v1/orders/stream`: events of the caller's store, as server-sent events.

use std::{convert::Infallible, time::Duration};

use actix_web::{
    HttpRequest, HttpResponse,
    http::{Method, header},
    web,
};
use chrono::{DateTime, Utc};
use futures_util::stream;
use tokio::time::Instant;

use crate::{
    domain::{caller::Perspective, store::StoreType},
    live_orders::{
        feed::{Feed, Reader},
        hub::Refused,
    },
    metrics::ReasonLabel,
};

use super::{auth, error::ApiError, json::FieldProblem, query::Query, state::State};

/// The longest life of a stream: a person who is no member any more loses it by then.
const LIFE_MAX: Duration = Duration::from_hours(1);
/// The place in the log from which a client resumes.
const LAST_EVENT_ID: &str = "Last-Event-ID";

/// Opens a stream.
///
/// # Errors
/// See the contract.
pub async fn get(request: HttpRequest, state: web::Data<State>) -> Result<HttpResponse, ApiError> {
    let (identity, expires_at) = auth::identity_until(&request, &state)?;
    let asked = read(&request);
    let side = asked.as_ref().ok().and_then(|asked| asked.side);
    let membership = auth::membership(&state, identity).await?;
    // A store is on one side: its id says which events it may see.
    Perspective::admit(membership.as_ref(), side)?;
    let asked = asked?;
    let mut response = HttpResponse::Ok();
    response.content_type("text/event-stream");
    response.insert_header((header::CACHE_CONTROL, "no-store"));
    // Proxies are to hand on each part at once.
    response.insert_header(("X-Accel-Buffering", "no"));
    if request.method() == Method::HEAD {
        return Ok(response.finish());
    }
    let reader = Reader {
        user_id: identity.user_id,
        store_id: identity.store_id,
        ends_at: Instant::now() + life(expires_at),
        heartbeat_every: state.heartbeat_every,
    };
    let pool = state.pool.clone();
    let feed = Feed::open(&state.live_orders, pool, reader, asked.after).await;
    let feed = feed.map_err(|refused| refuse(&state, refused))?;
    let texts = stream::unfold(feed, |mut feed| async {
        let text = feed.next().await?;
        Some((Ok::<_, Infallible>(web::Bytes::from(text)), feed))
    });
    Ok(response.streaming(Box::pin(texts)))
}

/// The parameters of a stream.
struct Asked {
    side: Option<StoreType>,
    after: Option<i64>,
}

fn read(request: &HttpRequest) -> Result<Asked, ApiError> {
    let mut query = Query::of(request, &["perspective"]);
    let sides = [("buyer", StoreType::Buyer), ("vendor", StoreType::Vendor)];
    let side = query.one_of("perspective", &sides);
    query.finish()?;
    Ok(Asked {
        side,
        after: last_event_id(request)?,
    })
}

fn last_event_id(request: &HttpRequest) -> Result<Option<i64>, ApiError> {
    let mut values = request.headers().get_all(LAST_EVENT_ID);
    let Some(value) = values.next() else {
        return Ok(None);
    };
    let text = value.to_str().ok().filter(|_| values.next().is_none());
    let is_number = |text: &&str| text.bytes().all(|byte| byte.is_ascii_digit());
    let place = text.filter(is_number).and_then(|text| text.parse().ok());
    let problem = || FieldProblem {
        path: LAST_EVENT_ID.to_owned(),
        problem: "must be the id of an event of this stream".to_owned(),
    };
    place
        .map(Some)
        .ok_or_else(|| ApiError::malformed(&[problem()]))
}

fn life(expires_at: DateTime<Utc>) -> Duration {
    (expires_at - Utc::now())
        .to_std()
        .unwrap_or_default()
        .min(LIFE_MAX)
}

fn refuse(state: &State, refused: Refused) -> ApiError {
    let (reason, error) = match refused {
        Refused::TooMany => ("streams", ApiError::no_more_live_streams()),
        Refused::TooManyOfUser => ("user_streams", ApiError::too_many_live_streams()),
        Refused::Stopping => ("stopping", ApiError::no_more_live_streams()),
        Refused::Unavailable => ("unavailable", ApiError::unavailable()),
    };
    let refusals = &state.metrics.live_streams_refused;
    refusals.get_or_create(&ReasonLabel { reason }).inc();
    error
}
