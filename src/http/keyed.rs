//! Requests that change something, once per Idempotency-Key. One extractor reads the caller, the key, the
//! conditions and the body, in the order in which the API reports what is wrong with them.

use std::time::Duration;

use actix_web::{FromRequest, HttpMessage, HttpRequest, dev, web};
use futures_util::future::LocalBoxFuture;

use crate::{
    batching::Undecided,
    domain::{
        caller::Access,
        idempotency::{Fingerprint, Scope},
        trace_context::TraceParent,
    },
    idempotency::fingerprint,
    stages::trip::Trip,
};

use super::{
    auth::{self, Identity},
    body,
    error::ApiError,
    json::{self, FromJson},
    request_trace,
    state::State,
    target::Target,
};

/// The body of a request that takes a key, with what belongs to its route.
pub trait KeyedBody: FromJson + 'static {
    /// The method of the route, a part of the key's scope.
    const METHOD: &'static str;
    /// The path of the route, likewise. An `{id}` in it is replaced by the request's.
    const PATH: &'static str;
    /// The side of the market that may send the request: for others, 403 comes before the problems of
    /// the body.
    const GATE: Gate;
    /// The thing that the request is about.
    type Target: Target;
    /// The conditions in the headers beside the key.
    type Condition;

    /// Refuses a request that would wait too long.
    fn check_room(state: &State) -> Result<(), Undecided>;

    /// Reads the headers beside the key.
    fn condition(request: &HttpRequest) -> Result<Self::Condition, ApiError>;

    /// The time for which Redis keeps the answer.
    fn keep_for(state: &State) -> Duration;
}

/// Who may send a request, as far as it can be said without what the request is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gate {
    /// A store that may buy.
    EligibleBuyer,
    /// A vendor, whatever has become of its licence.
    Vendor,
    /// Either side: it depends on the order.
    Member,
}

impl Gate {
    async fn admit(self, state: &State, identity: Identity) -> Result<(), ApiError> {
        match self {
            Self::EligibleBuyer => {
                auth::admit_to_buy(state, identity, Access::Change).await?;
            }
            Self::Vendor => {
                auth::admit_vendor(state, identity, Access::Change).await?;
            }
            Self::Member => auth::admit_to_key(state, identity).await?,
        }
        Ok(())
    }
}

/// A request that takes a key.
pub struct Keyed<T: KeyedBody> {
    pub state: web::Data<State>,
    pub attempt: Attempt,
    pub target: T::Target,
    pub condition: T::Condition,
    pub traceparent: Option<TraceParent>,
    pub body: T,
}

/// An attempt to carry a request out under its key.
pub struct Attempt {
    pub scope: Scope,
    pub fingerprint: Fingerprint,
    /// The time for which Redis keeps the answer.
    pub keep_for: Duration,
    /// The way of the request so far, to be continued.
    pub trip: Trip,
}

impl<T: KeyedBody> FromRequest for Keyed<T> {
    type Error = ApiError;
    type Future = LocalBoxFuture<'static, Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, payload: &mut dev::Payload) -> Self::Future {
        let request = request.clone();
        let payload = web::Payload::from_request(&request, payload);
        Box::pin(async move {
            let payload = payload.await.expect("a payload is only taken");
            Self::read(&request, payload).await
        })
    }
}

impl<T: KeyedBody> Keyed<T> {
    async fn read(request: &HttpRequest, payload: web::Payload) -> Result<Self, ApiError> {
        let state = request.app_data::<web::Data<State>>();
        let state = state.expect("every thread has its state").clone();
        let identity = auth::identity(request, &state)?;
        // Under overload requests are refused early, before anything is parsed or queried.
        T::check_room(&state)?;
        let headers = body::idempotency_key(request)
            .and_then(|key| Ok((key, T::condition(request)?, T::Target::read(request)?)));
        let (key, condition, target) = match headers {
            Ok(headers) => headers,
            Err(error) => {
                // Boxed, here and below: a query's future is large and rarely needed.
                Box::pin(auth::admit_to_key(&state, identity)).await?;
                return Err(error);
            }
        };
        let (body, fingerprint) = match read_body(request, payload).await {
            Ok(read) => read,
            Err(error) => {
                Box::pin(T::GATE.admit(&state, identity)).await?;
                return Err(error);
            }
        };
        let trace = request_trace::of(request);
        let attempt = Attempt {
            scope: Scope {
                user_id: identity.user_id,
                store_id: identity.store_id,
                method: T::METHOD,
                path: target.path(T::PATH),
                key,
            },
            fingerprint,
            keep_for: T::keep_for(&state),
            trip: Trip::of_span(trace.span),
        };
        request.extensions_mut().insert(attempt.trip.clone());
        Ok(Self {
            state,
            attempt,
            target,
            condition,
            traceparent: trace.for_events(),
            body,
        })
    }
}

async fn read_body<T: FromJson>(
    request: &HttpRequest,
    payload: web::Payload,
) -> Result<(T, Fingerprint), ApiError> {
    let node = body::json(request, payload).await?;
    let body = json::read(&node).map_err(|problems| ApiError::malformed(&problems))?;
    Ok((body, fingerprint::of_body(&node.canonical())))
}
