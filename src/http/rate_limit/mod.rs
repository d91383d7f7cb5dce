//! How many requests are taken from one address and from one person; one more is answered with 429.
//!
//! The address comes first, before anything is read of the request. The person comes when the
//! token's signature was found to be good: nobody can use up what is another's. Every answer tells
//! how much is left (draft-ietf-httpapi-ratelimit-headers).
//!
//! Two more limits are paid only by those who do what they are about: tokens with a wrong signature, per
//! address, and discount codes that are none, per user.
//!
//! The memory is bounded without a maximum: to be remembered for a second an address or a person must
//! send as many requests as are given back in it, and whoever is idle is forgotten soon.

pub mod client_address;
mod debts;

use std::{
    fmt::Write,
    hash::Hash,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    num::NonZeroU32,
    sync::Arc,
    time::Duration,
};

use actix_web::{
    HttpMessage, HttpRequest,
    body::{BoxBody, MessageBody},
    dev::{ServiceRequest, ServiceResponse},
    http::header::{HeaderMap, HeaderName, HeaderValue},
    middleware::Next,
    web,
};
use governor::{
    Quota, RateLimiter,
    clock::{Clock, DefaultClock},
    middleware::StateInformationMiddleware,
    state::keyed::DashMapStateStore,
};

use crate::{
    config::{Config, Proxy, RateLimit},
    domain::ids::UserId,
    metrics::{LimitLabel, Metrics},
};

use self::client_address::{client_address, limited_together};
use self::debts::Debts;
use super::{auth::Identity, error::ApiError, state::State};

/// How much is left.
pub const LEFT: HeaderName = HeaderName::from_static("ratelimit");
/// How much there is.
pub const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// How often those who are idle are forgotten.
const FORGET_EVERY: Duration = Duration::from_secs(10);

/// Both limits; shared by all workers.
#[derive(Debug)]
pub struct RateLimits {
    addresses: Limit<IpAddr>,
    users: Limit<UserId>,
    refused_tokens: Debts<IpAddr>,
    code_guesses: Debts<UserId>,
    proxies: Vec<Proxy>,
    /// Of a request whose sender is not known.
    policy_of_address: HeaderValue,
    policy_of_both: HeaderValue,
    metrics: Metrics,
}

/// So many a second, and so many at once after a while of rest (GCRA).
struct Limit<K: Hash + Eq + Clone> {
    name: &'static str,
    per_s: NonZeroU32,
    burst: NonZeroU32,
    limiter: RateLimiter<K, DashMapStateStore<K>, DefaultClock, StateInformationMiddleware>,
}

/// How much of a limit is left.
#[derive(Clone, Copy, Debug)]
struct Left {
    requests: u32,
    /// When all is there again.
    reset_s: u32,
}

/// What is left of a user's limit, kept with the request for its answer.
#[derive(Clone, Copy, Debug)]
struct LeftOfUser(Left);

impl<K: Hash + Eq + Clone> Limit<K> {
    fn new(name: &'static str, per_s: NonZeroU32, burst: NonZeroU32) -> Self {
        let quota = Quota::per_second(per_s).allow_burst(burst);
        Self {
            name,
            per_s,
            burst,
            limiter: RateLimiter::dashmap(quota).with_middleware(),
        }
    }

    /// Takes one request. `Err` with how long to wait if it is one too many.
    fn take(&self, key: &K) -> (Left, Result<(), Duration>) {
        let (requests, taken) = match self.limiter.check_key(key) {
            Ok(state) => (state.remaining_burst_capacity(), Ok(())),
            Err(not_yet) => {
                let wait = not_yet.wait_time_from(self.limiter.clock().now());
                (0, Err(wait))
            }
        };
        let used = self.burst.get().saturating_sub(requests);
        let reset_s = used.div_ceil(self.per_s.get());
        (Left { requests, reset_s }, taken)
    }

    fn policy(&self) -> String {
        let window_s = self.burst.get().div_ceil(self.per_s.get());
        format!("\"{}\";q={};w={window_s}", self.name, self.burst)
    }

    fn tell(&self, text: &mut String, left: Left) {
        let Left { requests, reset_s } = left;
        let told = write!(text, "\"{}\";r={requests};t={reset_s}", self.name);
        told.expect("a string takes everything");
    }

    fn forget_the_idle(&self) {
        self.limiter.retain_recent();
        self.limiter.shrink_to_fit();
    }
}

impl RateLimits {
    /// As configured; none if they are off.
    pub fn new(config: &Config, metrics: &Metrics) -> Option<Arc<Self>> {
        if config.rate_limit == RateLimit::Off {
            return None;
        }
        let limits = &config.limits;
        let addresses = Limit::new("address", limits.address_per_s, limits.address_burst);
        let users = Limit::new("user", limits.user_per_s, limits.user_burst);
        let value = |text: String| {
            HeaderValue::from_str(&text).expect("names and numbers are header characters")
        };
        Some(Arc::new(Self {
            policy_of_address: value(addresses.policy()),
            policy_of_both: value(format!("{}, {}", addresses.policy(), users.policy())),
            addresses,
            users,
            refused_tokens: Debts::new(
                Duration::from_secs(1) / limits.refused_tokens_per_s.get(),
                limits.refused_tokens_burst.get(),
            ),
            code_guesses: Debts::new(
                Duration::from_mins(1) / limits.code_guesses_per_minute.get(),
                limits.code_guesses_burst.get(),
            ),
            proxies: config.http.trusted_proxies.clone(),
            metrics: metrics.clone(),
        }))
    }

    /// Forgets those who are idle now and then, for ever.
    pub async fn forget_the_idle(self: Arc<Self>) {
        loop {
            tokio::time::sleep(FORGET_EVERY).await;
            self.addresses.forget_the_idle();
            self.users.forget_the_idle();
            self.refused_tokens.forget_the_idle();
            self.code_guesses.forget_the_idle();
        }
    }

    /// Takes one request of a person.
    ///
    /// # Errors
    /// 429 if it is one too many.
    pub fn take_of_user(&self, request: &HttpRequest, user: UserId) -> Result<(), ApiError> {
        let (left, taken) = self.users.take(&user);
        request.extensions_mut().insert(LeftOfUser(left));
        taken.map_err(|wait| self.refuse(self.users.name, wait))
    }

    /// Before a signature is checked.
    ///
    /// # Errors
    /// 429 if the address has sent too many wrong ones.
    pub fn ask_for_refused_token(&self, request: &HttpRequest) -> Result<(), ApiError> {
        let address = self.address(request.peer_addr(), request.headers());
        self.refused_tokens.ask(&address).map_err(|wait| {
            self.count("refused_tokens");
            ApiError::too_many_refused_tokens(wait)
        })
    }

    /// After one was found to be wrong.
    pub fn take_of_refused_tokens(&self, request: &HttpRequest) {
        let address = self.address(request.peer_addr(), request.headers());
        self.refused_tokens.pay(address, 1);
    }

    /// What a user is told who has tried codes that are none: one who has tried too many learns nothing.
    fn judge_guesses(&self, user: UserId, count: u32) -> Result<(), ApiError> {
        let asked = self.code_guesses.ask(&user).map_err(|wait| {
            self.count("code_guesses");
            ApiError::too_many_code_guesses(wait)
        });
        self.code_guesses.pay(user, count);
        asked
    }

    fn address(&self, peer: Option<SocketAddr>, headers: &HeaderMap) -> IpAddr {
        // Without an address there is no TCP, and nobody who could be told from others.
        let peer = peer.map_or(Ipv4Addr::UNSPECIFIED.into(), |peer| peer.ip());
        limited_together(client_address(peer, headers, &self.proxies))
    }

    fn take_of_address(&self, request: &ServiceRequest) -> (Left, Result<(), ApiError>) {
        let address = self.address(request.peer_addr(), request.headers());
        let (left, taken) = self.addresses.take(&address);
        (
            left,
            taken.map_err(|wait| self.refuse(self.addresses.name, wait)),
        )
    }

    fn refuse(&self, limit: &'static str, wait: Duration) -> ApiError {
        self.count(limit);
        ApiError::rate_limited(limit, wait)
    }

    fn count(&self, limit: &'static str) {
        let label = LimitLabel { limit };
        self.metrics.rate_limited.get_or_create(&label).inc();
    }

    fn tell(&self, headers: &mut HeaderMap, address: Left, user: Option<LeftOfUser>) {
        let mut text = String::with_capacity(64);
        self.addresses.tell(&mut text, address);
        let policy = match user {
            Some(LeftOfUser(left)) => {
                text.push_str(", ");
                self.users.tell(&mut text, left);
                &self.policy_of_both
            }
            None => &self.policy_of_address,
        };
        let left = HeaderValue::from_str(&text).expect("names and numbers are header characters");
        headers.insert(LEFT, left);
        headers.insert(POLICY, policy.clone());
    }
}

/// The middleware: takes one request of the address, and tells the answer's reader what is left.
///
/// # Errors
/// Only what a middleware inside this one fails with.
pub async fn limit<B: MessageBody + 'static>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<BoxBody>, actix_web::Error> {
    let state = request.app_data::<web::Data<State>>();
    let Some(limits) = state.and_then(|state| state.rate_limits.clone()) else {
        return Ok(next.call(request).await?.map_into_boxed_body());
    };
    let (left, taken) = limits.take_of_address(&request);
    let mut response = match taken {
        Ok(()) => hide_codes(&limits, next.call(request).await?.map_into_boxed_body()),
        Err(refused) => request.error_response(refused),
    };
    let user = response.request().extensions().get().copied();
    limits.tell(response.headers_mut(), left, user);
    Ok(response)
}

/// Which discount codes there are, nobody finds out by trying them all.
fn hide_codes(limits: &RateLimits, response: ServiceResponse) -> ServiceResponse {
    let error = response.response().error();
    let guesses = error
        .and_then(|error| error.as_error::<ApiError>())
        .map_or(0, |error| error.code_guesses);
    let user = response
        .request()
        .extensions()
        .get::<Identity>()
        .map(|identity| identity.user_id);
    let (1.., Some(user)) = (guesses, user) else {
        return response;
    };
    match limits.judge_guesses(user, guesses) {
        Ok(()) => response,
        Err(refused) => {
            let (request, _) = response.into_parts();
            ServiceResponse::from_err(refused, request)
        }
    }
}

impl<K: Hash + Eq + Clone> std::fmt::Debug for Limit<K> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Limit")
            .field("name", &self.name)
            .field("per_s", &self.per_s)
            .field("burst", &self.burst)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limit(per_s: u32, burst: u32) -> Limit<u8> {
        let number = |number| NonZeroU32::new(number).unwrap();
        Limit::new("test", number(per_s), number(burst))
    }

    #[test]
    fn a_burst_is_taken_and_one_more_is_not() {
        let limit = limit(1, 3);
        for left in [2, 1, 0] {
            let (told, taken) = limit.take(&7);
            assert_eq!((told.requests, told.reset_s), (left, 3 - left));
            assert!(taken.is_ok());
        }
        let (told, taken) = limit.take(&7);
        assert_eq!((told.requests, told.reset_s), (0, 3));
        let wait = taken.unwrap_err();
        assert!(
            wait > Duration::ZERO && wait <= Duration::from_secs(1),
            "{wait:?}"
        );
        assert!(limit.take(&8).1.is_ok(), "another has a limit of his own");
    }

    #[test]
    fn policy_and_rest_are_structured_fields() {
        let limit = limit(50, 201);
        assert_eq!(limit.policy(), "\"test\";q=201;w=5");
        let mut text = String::new();
        limit.tell(&mut text, limit.take(&1).0);
        assert_eq!(text, "\"test\";r=200;t=1");
    }

    #[test]
    fn who_is_idle_is_forgotten() {
        let limit = limit(1_000_000, 1);
        assert!(limit.take(&7).1.is_ok());
        let give_up = std::time::Instant::now() + Duration::from_secs(10);
        while !limit.limiter.is_empty() {
            assert!(std::time::Instant::now() < give_up);
            limit.forget_the_idle();
        }
    }
}
