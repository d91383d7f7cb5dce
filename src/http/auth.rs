//! Authentication and authorization: the token names the caller, the database decides what the caller
//! may do.
//!
//! Only two ids of a token are trusted: role, membership, store and licence are read from
//! the database for every request.

use actix_web::{HttpMessage, HttpRequest, http::header};
use chrono::{DateTime, Utc};

use crate::{
    db,
    domain::{
        caller::{Access, Forbidden, Member, Membership},
        ids::{BuyerStoreId, StoreId, UserId, VendorStoreId},
        store::EligibleBuyer,
    },
};

use super::{
    error::{ApiError, NO_TOKEN},
    state::State,
    token::{parts::TokenBody, refused::Refused},
};

/// The caller and the store, as the token names them. Nothing is known about their rights yet.
#[derive(Clone, Copy, Debug)]
pub struct Identity {
    /// The person.
    pub user_id: UserId,
    /// The store the person acts for.
    pub store_id: StoreId,
}

/// Reads the token and takes one request of the caller's limit. The gates below decide what the caller
/// may do.
///
/// # Errors
/// 401 without a good token, 429 for one request too many, 403 where the token names no store.
pub fn identity(request: &HttpRequest, state: &State) -> Result<Identity, ApiError> {
    Ok(identity_until(request, state)?.0)
}

/// The same, with the end of the token's life.
///
/// # Errors
/// See [`identity`].
pub fn identity_until(
    request: &HttpRequest,
    state: &State,
) -> Result<(Identity, DateTime<Utc>), ApiError> {
    let token = bearer_token(request).ok_or_else(|| {
        let message = "Send a token: \"Authorization: Bearer <JWT>\".";
        ApiError::unauthorized(NO_TOKEN, message)
    })?;
    let claims = claims(request, state, token)?;
    let user_id: UserId = claims
        .sub
        .parse()
        .map_err(|_| no_id("The token's `sub` is no user id."))?;
    if let Some(limits) = &state.rate_limits {
        limits.take_of_user(request, user_id)?;
    }
    let store_id = claims
        .active_store_id
        .map(|id| id.parse::<StoreId>())
        .transpose()
        .map_err(|_| no_id("The token's `active_store_id` is no store id."))?
        .ok_or(Forbidden::NoActiveStore)?;
    let identity = Identity { user_id, store_id };
    request.extensions_mut().insert(identity);
    Ok((identity, claims.expires_at))
}

/// The verified contents of a token. Checking a signature is expensive: it comes last, once per wrong
/// token, and is limited for addresses that send wrong ones.
fn claims(request: &HttpRequest, state: &State, token: &str) -> Result<TokenBody, ApiError> {
    let refuse = |refused: Refused| ApiError::unauthorized(refused.reason(), refused.to_string());
    let unproven = state.tokens.read(token).map_err(refuse)?;
    if unproven.was_refused() {
        return Err(refuse(Refused::Signature));
    }
    let Some(limits) = &state.rate_limits else {
        return unproven.prove().map_err(refuse);
    };
    // An office or a proxy may be behind one address: known tokens are not locked out.
    if !unproven.was_good() {
        limits.ask_for_refused_token(request)?;
    }
    unproven.prove().map_err(|refused| {
        limits.take_of_refused_tokens(request);
        refuse(refused)
    })
}

/// The gate for the cart and for previews: an active member, with a role that
/// allows it, of a buyer that may buy.
///
/// # Errors
/// 403 for those who may not, 503 without a database.
pub async fn admit_to_buy(
    state: &State,
    identity: Identity,
    access: Access,
) -> Result<EligibleBuyer, ApiError> {
    let membership = membership(state, identity).await?;
    let member = Member::admit(membership.as_ref(), access)?;
    Ok(member.of_eligible_buyer(Utc::now())?)
}

/// The gate for reading what a buyer has bought: an active member, whatever has become of the store's
/// licence.
///
/// # Errors
/// 403 for those who may not, 503 without a database.
pub async fn admit_to_read_bought(
    state: &State,
    identity: Identity,
) -> Result<BuyerStoreId, ApiError> {
    let membership = membership(state, identity).await?;
    Ok(Member::admit(membership.as_ref(), Access::Read)?.of_buyer()?)
}

/// The gate for what a vendor has: an active member of a vendor, whatever has become of its licence.
///
/// # Errors
/// 403 for those who may not, 503 without a database.
pub async fn admit_vendor(
    state: &State,
    identity: Identity,
    access: Access,
) -> Result<VendorStoreId, ApiError> {
    let membership = membership(state, identity).await?;
    Ok(Member::admit(membership.as_ref(), access)?.of_vendor()?)
}

/// The gate for the key of a request that changes something: it comes before the store's licence.
///
/// # Errors
/// 403 for those who may not, 503 without a database.
pub async fn admit_to_key(state: &State, identity: Identity) -> Result<(), ApiError> {
    let membership = membership(state, identity).await?;
    Member::admit(membership.as_ref(), Access::Change)?;
    Ok(())
}

/// The person's membership in the store, for other gates.
///
/// # Errors
/// 503 without a database.
pub async fn membership(state: &State, identity: Identity) -> Result<Option<Membership>, ApiError> {
    let Identity { user_id, store_id } = identity;
    state
        .read(async |connection| db::stores::find_membership(connection, user_id, store_id).await)
        .await
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

fn no_id(message: &str) -> ApiError {
    ApiError::unauthorized("claims", message)
}
