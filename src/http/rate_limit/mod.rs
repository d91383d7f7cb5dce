//! Limits of requests: per address and per user; one more is answered with 429.
//!
//! The address is limited first, before anything of the request is read; the user only once the token's
//! signature is found to be good, so that no client can use up the limit of another. Every answer says
//! how much is left (draft-ietf-httpapi-ratelimit-headers).
//!
//! Two more limits are used up only by what they are about: tokens with a wrong signature, per address, and
//! discount codes that do not exist, per user.
//!
//! The memory is bounded without a maximum: to be remembered for a second, an address or a user must
//! send as many requests as are given back in it, and idle ones are soon forgotten.
//!
//! | piece | file |
//! |---|---|
//! | one limit | `limit` |
//! | a limit that is checked before and used up afterwards | `debts` |
//! | the key that requests are counted by: user, address, /64 | `key` |
//! | the client's address, also behind proxies | [`client_address`] |
//! | the middleware | `middleware` |

pub mod client_address;
mod debts;
pub mod key;
mod limit;
pub(crate) mod middleware;

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use actix_web::{
    HttpMessage, HttpRequest,
    dev::ServiceRequest,
    http::header::{HeaderMap, HeaderName, HeaderValue},
};

use crate::{
    config::{Limits, Proxy},
    domain::ids::UserId,
    metrics::{LimitLabel, Metrics},
};

use self::{
    debts::Debts,
    key::address_key,
    limit::{Left, Limit},
};
use super::error::ApiError;

/// The header with what is left.
pub(crate) const LEFT: HeaderName = HeaderName::from_static("ratelimit");
/// The header with the limits themselves.
pub(crate) const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// The time between two rounds of forgetting.
const FORGET_EVERY: Duration = Duration::from_secs(10);

/// All limits; shared by all threads.
#[derive(Debug)]
pub struct RateLimits {
    addresses: Limit<IpAddr>,
    users: Limit<UserId>,
    refused_tokens: Debts<IpAddr>,
    code_guesses: Debts<UserId>,
    proxies: Vec<Proxy>,
    /// For requests whose user is not known.
    policy_of_address: HeaderValue,
    policy_of_both: HeaderValue,
    metrics: Metrics,
}

/// The rest of a user's limit, kept with the request for its answer.
#[derive(Clone, Copy, Debug)]
struct LeftOfUser(Left);

impl RateLimits {
    /// Limits that nothing was taken of.
    pub fn new(limits: &Limits, proxies: Vec<Proxy>, metrics: Metrics) -> Arc<Self> {
        let addresses = Limit::new("address", limits.address_per_s, limits.address_burst);
        let users = Limit::new("user", limits.user_per_s, limits.user_burst);
        let value = |text: String| {
            HeaderValue::from_str(&text).expect("names and numbers are header characters")
        };
        Arc::new(Self {
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
            proxies,
            metrics,
        })
    }

    /// Forgets idle addresses and users now and then. Never returns.
    pub async fn forget_the_idle(self: Arc<Self>) {
        loop {
            tokio::time::sleep(FORGET_EVERY).await;
            self.addresses.forget_the_idle();
            self.users.forget_the_idle();
            self.refused_tokens.forget_the_idle();
            self.code_guesses.forget_the_idle();
        }
    }

    /// Takes one request of a user. 429 if it is one too many.
    pub fn take_of_user(&self, request: &HttpRequest, user: UserId) -> Result<(), ApiError> {
        let (left, taken) = self.users.take(&user);
        request.extensions_mut().insert(LeftOfUser(left));
        taken.map_err(|wait| self.refuse(self.users.name, wait))
    }

    /// Called before a signature is checked. 429 if the address has sent too many wrong ones.
    pub fn ask_for_refused_token(&self, request: &HttpRequest) -> Result<(), ApiError> {
        let address = self.address(request.peer_addr(), request.headers());
        self.refused_tokens.ask(&address).map_err(|wait| {
            self.count("refused_tokens");
            ApiError::too_many_refused_tokens(wait)
        })
    }

    /// Called after a signature was found to be wrong.
    pub fn take_of_refused_tokens(&self, request: &HttpRequest) {
        let address = self.address(request.peer_addr(), request.headers());
        self.refused_tokens.pay(address, 1);
    }

    /// Counts discount codes that do not exist. 429 if the user has tried too many: the answer then
    /// says nothing about the codes.
    fn judge_guesses(&self, user: UserId, count: u32) -> Result<(), ApiError> {
        let asked = self.code_guesses.ask(&user).map_err(|wait| {
            self.count("code_guesses");
            ApiError::too_many_code_guesses(wait)
        });
        self.code_guesses.pay(user, count);
        asked
    }

    fn address(&self, peer: Option<SocketAddr>, headers: &HeaderMap) -> IpAddr {
        address_key(peer, headers, &self.proxies)
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

    fn write(&self, headers: &mut HeaderMap, address: Left, user: Option<LeftOfUser>) {
        let mut text = String::with_capacity(64);
        self.addresses.write(address, &mut text);
        let policy = match user {
            Some(LeftOfUser(left)) => {
                text.push_str(", ");
                self.users.write(left, &mut text);
                &self.policy_of_both
            }
            None => &self.policy_of_address,
        };
        let left = HeaderValue::from_str(&text).expect("names and numbers are header characters");
        headers.insert(LEFT, left);
        headers.insert(POLICY, policy.clone());
    }
}
