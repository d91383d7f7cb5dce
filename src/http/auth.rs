//! Who is calling: a token says who it is, the database says what he or she may do.
//!
//! Nothing of a token is trusted but the two ids: role, membership, store and licence are read from
//! the database for every request.

use actix_web::{HttpMessage, HttpRequest, http::header};
use chrono::Utc;

use crate::{
    db,
    domain::{
        caller::{Access, Caller, Forbidden, Membership},
        ids::{StoreId, UserId},
    },
};

use super::{
    error::{ApiError, Code},
    worker::Worker,
};

/// Who calls and for which store, as the token says: that person may be anybody yet.
#[derive(Clone, Copy, Debug)]
pub struct Identity {
    /// The person.
    pub user_id: UserId,
    /// The store the person acts for.
    pub store_id: StoreId,
}

/// The gate of every route: an active member, with a role that allows it, of a verified buyer.
///
/// # Errors
/// 401 without a good token, 403 for those who may not, 503 without a database.
pub async fn caller(
    request: &HttpRequest,
    worker: &Worker,
    access: Access,
) -> Result<Caller, ApiError> {
    admit(worker, identity(request, worker)?, access).await
}

/// Reads the token and takes one request of that person's limit. Whether he or she may do anything is
/// [`admit`]'s to say.
///
/// # Errors
/// 401 without a good token, 429 for one request too many, 403 where the token names no store.
pub fn identity(request: &HttpRequest, worker: &Worker) -> Result<Identity, ApiError> {
    let token = bearer_token(request)
        .ok_or_else(|| unauthorized("Send a token: \"Authorization: Bearer <JWT>\"."))?;
    let claims = worker
        .tokens
        .verify(token)
        .map_err(|refused| unauthorized(&refused.to_string()))?;
    let user_id: UserId = claims
        .sub
        .parse()
        .map_err(|_| unauthorized("The token's `sub` is no user id."))?;
    if let Some(limits) = &worker.rate_limits {
        limits.take_of_user(request, user_id)?;
    }
    let store_id = claims
        .active_store_id
        .map(|id| id.parse::<StoreId>())
        .transpose()
        .map_err(|_| unauthorized("The token's `active_store_id` is no store id."))?
        .ok_or(Forbidden::NoActiveStore)?;
    let identity = Identity { user_id, store_id };
    request.extensions_mut().insert(identity);
    Ok(identity)
}

/// Asks the database what the person may do.
///
/// # Errors
/// 403 for those who may not, 503 without a database.
pub async fn admit(
    worker: &Worker,
    identity: Identity,
    access: Access,
) -> Result<Caller, ApiError> {
    let membership = membership(worker, identity).await?;
    Ok(Caller::admit(
        identity.user_id,
        membership.as_ref(),
        access,
        Utc::now(),
    )?)
}

/// What the person is to the store, for a gate of the caller's own.
///
/// # Errors
/// 503 without a database.
pub async fn membership(
    worker: &Worker,
    identity: Identity,
) -> Result<Option<Membership>, ApiError> {
    let Identity { user_id, store_id } = identity;
    worker
        .read(async |connection| db::stores::find_membership(connection, user_id, store_id).await)
        .await
}

/// The gate where nothing else is wanted of it: for who is told something without any work.
///
/// # Errors
/// See [`admit`].
pub async fn admit_to_change(worker: &Worker, identity: Identity) -> Result<(), ApiError> {
    admit(worker, identity, Access::Change).await.map(drop)
}

fn bearer_token(request: &HttpRequest) -> Option<&str> {
    let value = request
        .headers()
        .get(header::AUTHORIZATION)?
        .to_str()
        .ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

fn unauthorized(message: &str) -> ApiError {
    ApiError::new(Code::Unauthorized, message)
}
