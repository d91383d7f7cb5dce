//! `/api/v1/webhook-endpoints`: the URLs that a store's events are posted to, and what was posted.
//!
//! No route here takes an Idempotency-Key: the answer to a key is kept in Redis and PostgreSQL, and an answer
//! with a secret is given once. An endpoint that was created twice is seen in the list, and can be deleted.

use std::time::Duration;

use actix_web::{HttpRequest, HttpResponse, web};
use chrono::{SubsecRound, Utc};
use uuid::Uuid;

use crate::{
    db::{
        self,
        webhooks::{Change, Endpoint, NewEndpoint, Redelivery, Rotation},
    },
    domain::{
        caller::{Access, Member},
        event::{ENVELOPE_VERSION, Envelope, EventActor},
        ids::{EventId, StoreId, WebhookDeliveryId, WebhookEndpointId},
        webhook::{ENDPOINTS_MAX, OLD_SECRET_KEPT, OLD_SECRETS_MAX, TEST_TYPE, TESTS_WAITING_MAX},
    },
    webhooks::{signature::make_secret, url},
};

use super::{
    auth::{self, Identity},
    bodies::webhooks::{self, EndpointChangeBody, NewEndpointBody},
    body, cursor,
    error::{ApiError, Code},
    json::{self, FieldProblem, FromJson},
    query::Query,
    state::State,
    target,
};

/// The number of deliveries on a page, unless the request says otherwise.
pub const LIMIT_DEFAULT: usize = 20;
/// The wait after a test too many: that of an attempt, and of the next after a failure.
const TEST_TOO_MANY_WAIT: Duration = Duration::from_secs(10);
/// The most deliveries on a page.
pub const LIMIT_MAX: usize = 100;

/// Lists the store's endpoints, all of them.
pub async fn list(request: HttpRequest, state: web::Data<State>) -> Result<HttpResponse, ApiError> {
    let Admin { store, .. } = admit(&request, &state).await?;
    Query::of(&request, &[]).finish()?;
    let endpoints = state
        .read(async |connection| db::webhooks::find_endpoints(connection, store).await)
        .await?;
    Ok(ok(webhooks::render_endpoints(&endpoints)))
}

/// Creates an endpoint, and shows its secret.
pub async fn create(
    request: HttpRequest,
    state: web::Data<State>,
    payload: web::Payload,
) -> Result<HttpResponse, ApiError> {
    let Admin { store, .. } = admit(&request, &state).await?;
    let body: NewEndpointBody = read_body(&request, payload).await?;
    let (url, event_types) = body.into_parts();
    let new = NewEndpoint {
        id: WebhookEndpointId::new(Uuid::now_v7()),
        store_id: store,
        url: checked(&state, &url)?,
        secret: make_secret(),
        event_types,
    };
    let created = state
        .write(async |connection| {
            db::webhooks::create_endpoint(connection, &new, ENDPOINTS_MAX).await
        })
        .await?;
    let created = created.ok_or_else(too_many)?;
    Ok(HttpResponse::Created()
        .content_type("application/json")
        .insert_header(("Cache-Control", "no-store"))
        .body(webhooks::render_secret(&created, &new.secret)))
}

/// Reads one endpoint.
pub async fn get(request: HttpRequest, state: web::Data<State>) -> Result<HttpResponse, ApiError> {
    let Admin { store, .. } = admit(&request, &state).await?;
    let id = target::id(&request)?;
    let endpoint = find(&state, store, id).await?;
    Ok(ok(webhooks::render_endpoint(&endpoint)))
}

/// Changes an endpoint.
pub async fn change(
    request: HttpRequest,
    state: web::Data<State>,
    payload: web::Payload,
) -> Result<HttpResponse, ApiError> {
    let Admin { store, .. } = admit(&request, &state).await?;
    let id = target::id(&request)?;
    let body: EndpointChangeBody = read_body(&request, payload).await?;
    let mut change = Change::from(body);
    change.url = change.url.map(|it| checked(&state, &it)).transpose()?;
    let changed = state
        .write(async |connection| {
            db::webhooks::change_endpoint(connection, store, id, &change).await
        })
        .await?;
    let endpoint = changed.ok_or_else(endpoint_not_found)?;
    Ok(ok(webhooks::render_endpoint(&endpoint)))
}

/// Deletes an endpoint, and with it what waits for it. One that is gone already is not found.
pub async fn delete(
    request: HttpRequest,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let Admin { store, .. } = admit(&request, &state).await?;
    let id = target::id(&request)?;
    let is_deleted = state
        .write(async |connection| db::webhooks::delete_endpoint(connection, store, id).await)
        .await?;
    if is_deleted {
        Ok(HttpResponse::NoContent().finish())
    } else {
        Err(endpoint_not_found())
    }
}

/// Gives an endpoint a new secret, and shows it.
pub async fn rotate_secret(
    request: HttpRequest,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let Admin { store, .. } = admit(&request, &state).await?;
    let id = target::id(&request)?;
    let secret = make_secret();
    let rotated = state
        .write(async |connection| {
            let (kept, max) = (OLD_SECRET_KEPT, OLD_SECRETS_MAX);
            db::webhooks::rotate_secret(connection, store, id, &secret, kept, max).await
        })
        .await?;
    let endpoint = match rotated {
        Rotation::Done(endpoint) => endpoint,
        Rotation::TooSoon(wait) => return Err(ApiError::too_many_rotations(wait)),
        Rotation::NotFound => return Err(endpoint_not_found()),
    };
    Ok(HttpResponse::Ok()
        .content_type("application/json")
        .insert_header(("Cache-Control", "no-store"))
        .body(webhooks::render_secret(&endpoint, &secret)))
}

/// Posts an event that only tests the endpoint.
pub async fn test(request: HttpRequest, state: web::Data<State>) -> Result<HttpResponse, ApiError> {
    let Admin { store, identity } = admit(&request, &state).await?;
    let id = target::id(&request)?;
    let endpoint = find(&state, store, id).await?;
    if !endpoint.is_active {
        return Err(inactive());
    }
    let delivery = WebhookDeliveryId::new(Uuid::now_v7());
    let envelope = test_event(&endpoint, identity);
    let body = serde_json::to_string(&envelope).expect("an event is JSON");
    let is_written = state
        .write(async |connection| {
            let (event, event_type) = (envelope.event_id, &envelope.event_type);
            let max = TESTS_WAITING_MAX;
            db::webhooks::write_test(connection, delivery, id, event, event_type, &body, max).await
        })
        .await?;
    if is_written {
        Ok(accepted(delivery))
    } else {
        Err(ApiError::too_many_tests(TEST_TOO_MANY_WAIT))
    }
}

fn test_event(endpoint: &Endpoint, identity: Identity) -> Envelope {
    Envelope {
        version: ENVELOPE_VERSION,
        event_id: EventId::new(Uuid::now_v7()),
        occurred_at: Utc::now().trunc_subsecs(6),
        event_type: TEST_TYPE.to_owned(),
        aggregate_type: "webhook_test".to_owned(),
        // Its own, so that no test waits for an earlier one that has failed.
        aggregate_id: Uuid::now_v7(),
        actor: Some(EventActor {
            user_id: identity.user_id,
            store_id: identity.store_id,
        }),
        data: serde_json::json!({ "webhook_endpoint_id": endpoint.id }),
    }
}

/// Lists the attempts to deliver to an endpoint, newest first.
pub async fn list_deliveries(
    request: HttpRequest,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let Admin { store, .. } = admit(&request, &state).await?;
    let id = target::id(&request)?;
    let mut query = Query::of(&request, &["limit", "cursor"]);
    let limit = query.limit(LIMIT_MAX).unwrap_or(LIMIT_DEFAULT);
    let expected = "the next_cursor of a page, as it was answered";
    let behind = query.optional("cursor", expected, cursor::read_id);
    query.finish()?;
    find(&state, store, id).await?;
    let (deliveries, has_more) = state
        .read(async |connection| db::webhooks::find_deliveries(connection, id, behind, limit).await)
        .await?;
    let last = deliveries.last().filter(|_| has_more);
    let next_cursor = last.map(|last| cursor::write_id(last.id.uuid()));
    Ok(ok(webhooks::render_deliveries(&deliveries, next_cursor)))
}

/// Posts an event once more.
pub async fn redeliver(
    request: HttpRequest,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let Admin { store, .. } = admit(&request, &state).await?;
    let id = target::id(&request)?;
    let new = WebhookDeliveryId::new(Uuid::now_v7());
    let attempt = state
        .write(async |connection| db::webhooks::redeliver(connection, store, id, new).await)
        .await?;
    match attempt {
        Redelivery::Due(attempt) => Ok(accepted(attempt)),
        Redelivery::Disabled => Err(inactive()),
        Redelivery::NotFound => {
            let message = "Your store has no such delivery; they are kept for seven days.";
            Err(ApiError::new(Code::NotFound, message))
        }
    }
}

/// An owner or admin of a store.
struct Admin {
    store: StoreId,
    identity: Identity,
}

async fn admit(request: &HttpRequest, state: &State) -> Result<Admin, ApiError> {
    let identity = auth::identity(request, state)?;
    let membership = auth::membership(state, identity).await?;
    let member = Member::admit(membership.as_ref(), Access::Administer)?;
    Ok(Admin {
        store: member.store_id(),
        identity,
    })
}

async fn find(state: &State, store: StoreId, id: WebhookEndpointId) -> Result<Endpoint, ApiError> {
    let found = state
        .read(async |connection| db::webhooks::find_endpoint(connection, store, id).await)
        .await?;
    found.ok_or_else(endpoint_not_found)
}

async fn read_body<T: FromJson>(
    request: &HttpRequest,
    payload: web::Payload,
) -> Result<T, ApiError> {
    let node = body::json(request, payload).await?;
    json::read(&node).map_err(|problems| ApiError::malformed(&problems))
}

fn checked(state: &State, text: &str) -> Result<String, ApiError> {
    let url = url::parse(text, state.webhook_reach);
    let url = url.map_err(|problem| malformed("/url", problem.to_string()))?;
    Ok(url.into())
}

fn inactive() -> ApiError {
    let problem = "is of an endpoint that is switched off; PATCH its is_active to true first";
    malformed("id", problem.to_owned())
}

fn too_many() -> ApiError {
    let problem = format!(
        "adds an endpoint to a store that has {ENDPOINTS_MAX} already, the most that it may have"
    );
    malformed("", problem)
}

fn malformed(path: &str, problem: String) -> ApiError {
    let path = path.to_owned();
    ApiError::malformed(&[FieldProblem { path, problem }])
}

fn endpoint_not_found() -> ApiError {
    let message =
        "Your store has no such webhook endpoint; GET /api/v1/webhook-endpoints lists them.";
    ApiError::new(Code::NotFound, message)
}

fn ok(body: Vec<u8>) -> HttpResponse {
    HttpResponse::Ok()
        .content_type("application/json")
        .body(body)
}

fn accepted(attempt: WebhookDeliveryId) -> HttpResponse {
    HttpResponse::Accepted()
        .content_type("application/json")
        .body(webhooks::render_accepted(attempt))
}
