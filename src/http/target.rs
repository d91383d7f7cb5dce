//! The thing that a request is about, by the id in its path.

use std::borrow::Cow;

use actix_web::HttpRequest;
use uuid::Uuid;

use crate::domain::ids::{CheckoutGroupId, OrderId};

use super::{error::ApiError, json::FieldProblem};

/// The part of a path that names the thing.
const ID: &str = "{id}";

/// The target of a request that takes a key.
pub trait Target: Copy + 'static {
    /// Reads the target out of the path.
    ///
    /// # Errors
    /// 400 for a malformed id.
    fn read(request: &HttpRequest) -> Result<Self, ApiError>;

    /// The path of the route with the target in it, spelled in one way.
    fn path(self, route: &'static str) -> Cow<'static, str>;
}

/// A route without an id.
impl Target for () {
    fn read(_: &HttpRequest) -> Result<Self, ApiError> {
        Ok(())
    }

    fn path(self, route: &'static str) -> Cow<'static, str> {
        route.into()
    }
}

impl Target for OrderId {
    fn read(request: &HttpRequest) -> Result<Self, ApiError> {
        id(request)
    }

    fn path(self, route: &'static str) -> Cow<'static, str> {
        route.replace(ID, &self.to_string()).into()
    }
}

impl Target for CheckoutGroupId {
    fn read(request: &HttpRequest) -> Result<Self, ApiError> {
        id(request)
    }

    fn path(self, route: &'static str) -> Cow<'static, str> {
        route.replace(ID, &self.to_string()).into()
    }
}

/// Reads an id in its usual notation, 8-4-4-4-12 hexadecimal digits.
pub fn parse_id<T: From<Uuid>>(text: &str) -> Option<T> {
    let id = (text.len() == 36).then(|| Uuid::try_parse(text).ok());
    id.flatten().map(T::from)
}

/// The id in a request's path.
///
/// # Errors
/// 400 if it is malformed.
pub fn id<T: From<Uuid>>(request: &HttpRequest) -> Result<T, ApiError> {
    let text = request.match_info().get("id").unwrap_or_default();
    parse_id(text).ok_or_else(|| {
        ApiError::malformed(&[FieldProblem {
            path: "id".to_owned(),
            problem: "must be a UUID".to_owned(),
        }])
    })
}
