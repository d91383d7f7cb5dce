//! Who is calling: a token says who it is, the database says what he or she may do.
//!
//! Nothing of a token is trusted but the two ids: role, membership, store and licence are read from
//! the database for every request.

use actix_web::{HttpMessage, HttpRequest, http::header};
use chrono::Utc;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};

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

/// The claims of a token that we issue.
#[derive(Clone, Debug, Serialize)]
pub struct Claims {
    /// The person's id.
    pub sub: String,
    /// The store the person acts for; without one he or she may not do anything here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub active_store_id: Option<String>,
    /// Who issued the token.
    pub iss: String,
    /// When it ends, in seconds since 1970.
    pub exp: u64,
    /// When it was issued.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub iat: Option<u64>,
    /// The token's own id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jti: Option<String>,
}

/// What is read of a token once its signature, issuer and times have been checked.
#[derive(Debug, Deserialize)]
struct TokenBody {
    sub: String,
    active_store_id: Option<String>,
}

/// Checks signatures, issuers and times.
pub struct TokenVerifier {
    key: DecodingKey,
    validation: Validation,
}

impl TokenVerifier {
    /// Accepts tokens signed with this secret by HMAC-SHA-256, and no others: the algorithm is ours
    /// to choose, never the token's.
    pub fn hs256(secret: &SecretString, issuer: &str) -> Self {
        let mut validation = Validation::new(Algorithm::HS256);
        validation.set_issuer(&[issuer]);
        validation.set_required_spec_claims(&["exp", "iss", "sub"]);
        validation.leeway = 0;
        validation.validate_nbf = true;
        validation.validate_aud = false;
        let key = DecodingKey::from_secret(secret.expose_secret().as_bytes());
        Self { key, validation }
    }

    fn verify(&self, token: &str) -> Result<TokenBody, jsonwebtoken::errors::Error> {
        jsonwebtoken::decode::<TokenBody>(token, &self.key, &self.validation)
            .map(|data| data.claims)
    }
}

impl std::fmt::Debug for TokenVerifier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TokenVerifier")
    }
}

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

/// Reads the token. Whether that person may do anything is [`admit`]'s to say.
///
/// # Errors
/// 401 without a good token, 403 where it names no store.
pub fn identity(request: &HttpRequest, worker: &Worker) -> Result<Identity, ApiError> {
    let token = bearer_token(request)
        .ok_or_else(|| unauthorized("Send a token: \"Authorization: Bearer <JWT>\"."))?;
    let claims = worker
        .tokens
        .verify(token)
        .map_err(|error| unauthorized(&explain(&error)))?;
    let user_id: UserId = claims
        .sub
        .parse()
        .map_err(|_| unauthorized("The token's `sub` is no user id."))?;
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
    let found = async {
        let mut connection = db::pool::acquire(&worker.pool).await?;
        db::stores::find_membership(&mut connection, user_id, store_id).await
    };
    worker.in_time(found).await
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

fn explain(error: &jsonwebtoken::errors::Error) -> String {
    use jsonwebtoken::errors::ErrorKind;
    match error.kind() {
        ErrorKind::ExpiredSignature => "The token has expired; get a new one.".to_owned(),
        ErrorKind::ImmatureSignature => "The token is not valid yet.".to_owned(),
        ErrorKind::InvalidIssuer => "The token was issued by somebody else.".to_owned(),
        ErrorKind::MissingRequiredClaim(claim) => format!("The token has no `{claim}`."),
        ErrorKind::InvalidSignature | ErrorKind::InvalidAlgorithm => {
            "The token's signature is not one of ours.".to_owned()
        }
        _ => "The token can't be read.".to_owned(),
    }
}
