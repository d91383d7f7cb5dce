//! Reading what was bought: `GET /api/v1/orders`, `GET /api/v1/orders/{id}` and
//! `GET /api/v1/checkout-groups/{id}`.

use actix_web::{HttpRequest, HttpResponse, web};

use crate::{
    db::{
        self,
        orders::{Page, Position, Walk},
    },
    domain::{caller::Perspective, order::OrderStatus, store::StoreType},
};

use super::{auth, bodies, cursor, error::ApiError, query::Query, state::State, target};

/// The number of orders on a page, unless the request says otherwise.
pub const LIMIT_DEFAULT: usize = 20;
/// The most orders on a page.
pub const LIMIT_MAX: usize = 100;
/// The most orders that are read for a page of one status, however rare it is. There is no index by
/// status: it would cost every checkout, for a list that few read.
const LOOKED_AT_MAX: usize = 5_000;

/// Lists the active store's orders, newest first.
///
/// # Errors
/// See the contract.
pub async fn list(request: HttpRequest, state: web::Data<State>) -> Result<HttpResponse, ApiError> {
    let identity = auth::identity(&request, &state)?;
    let asked = read(&request);
    // For callers who are no members, 403 comes before the problems of the request.
    let side = asked.as_ref().ok().and_then(|asked| asked.side);
    let perspective = perspective(&state, identity, side).await?;
    let asked = asked?;
    let walk = Walk {
        behind: asked.behind,
        limit: asked.limit,
        rows_max: LOOKED_AT_MAX,
    };
    let Page { orders, next } = state
        .read_snapshot(async |snapshot| {
            db::orders::find_page(snapshot, perspective, asked.status, walk).await
        })
        .await?;
    let next_cursor = next.map(cursor::write);
    Ok(json(bodies::orders::render_page(&orders, next_cursor)))
}

/// Reads one order, by its buyer or its vendor.
///
/// # Errors
/// See the contract.
pub async fn get(request: HttpRequest, state: web::Data<State>) -> Result<HttpResponse, ApiError> {
    let identity = auth::identity(&request, &state)?;
    let perspective = perspective(&state, identity, None).await?;
    let id = target::id(&request)?;
    let found = state
        .read_snapshot(async |snapshot| db::orders::find_order(snapshot, id, perspective).await)
        .await?;
    let order = found.ok_or_else(ApiError::order_not_found)?;
    Ok(json(bodies::orders::render(&order)))
}

/// Reads what a checkout created, in the shape in which it was answered.
///
/// # Errors
/// See the contract.
pub async fn get_group(
    request: HttpRequest,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let identity = auth::identity(&request, &state)?;
    let buyer = auth::admit_to_read_bought(&state, identity).await?;
    let id = target::id(&request)?;
    let checkout = state
        .read_snapshot(async |snapshot| db::orders::find_checkout(snapshot, id, buyer).await)
        .await?;
    let checkout = checkout.ok_or_else(ApiError::group_not_found)?;
    Ok(json(bodies::checkout::render(&checkout)))
}

async fn perspective(
    state: &State,
    identity: auth::Identity,
    side: Option<StoreType>,
) -> Result<Perspective, ApiError> {
    let membership = auth::membership(state, identity).await?;
    Ok(Perspective::admit(membership.as_ref(), side)?)
}

/// The parameters of a list.
struct ListParameters {
    side: Option<StoreType>,
    status: Option<OrderStatus>,
    behind: Position,
    limit: usize,
}

fn read(request: &HttpRequest) -> Result<ListParameters, ApiError> {
    let mut query = Query::of(request, &["perspective", "status", "limit", "cursor"]);
    let sides = [("buyer", StoreType::Buyer), ("vendor", StoreType::Vendor)];
    let side = query.one_of("perspective", &sides);
    let status = query.one_of("status", &OrderStatus::WORDS);
    let limit = query.limit(LIMIT_MAX);
    let expected = "the next_cursor of a page, as it was answered";
    let behind = query.optional("cursor", expected, cursor::read);
    query.finish()?;
    Ok(ListParameters {
        side,
        status,
        behind: behind.unwrap_or(Position::START),
        limit: limit.unwrap_or(LIMIT_DEFAULT),
    })
}

fn json(body: Vec<u8>) -> HttpResponse {
    HttpResponse::Ok()
        .content_type("application/json")
        .body(body)
}
