//! All public routes, on one page.

use actix_web::{HttpResponse, web};

use super::{
    carts, checkout,
    error::{ApiError, Code},
    orders,
};

/// The buyer's cart.
pub const CART: &str = "/api/v1/cart";
/// Buying a cart.
pub const CHECKOUT: &str = "/api/v1/checkout";
/// What that would come to.
pub const CHECKOUT_PREVIEW: &str = "/api/v1/checkout/preview";
/// The orders of the active store.
pub const ORDERS: &str = "/api/v1/orders";
/// One of them.
pub const ORDER: &str = "/api/v1/orders/{id}";
/// What a checkout created.
pub const CHECKOUT_GROUP: &str = "/api/v1/checkout-groups/{id}";

/// Adds the routes; whatever is not among them is 404, a wrong method 405 with `Allow`.
pub fn configure(app: &mut web::ServiceConfig) {
    app.service(
        web::resource(CART)
            .route(web::get().to(carts::get))
            .route(web::put().to(carts::put))
            .default_service(web::to(|| wrong_method("GET, PUT"))),
    )
    .service(
        web::resource(CHECKOUT)
            .route(web::post().to(checkout::post))
            .default_service(web::to(|| wrong_method("POST"))),
    )
    .service(
        web::resource(CHECKOUT_PREVIEW)
            .route(web::post().to(checkout::post_preview))
            .default_service(web::to(|| wrong_method("POST"))),
    )
    .service(
        web::resource(ORDERS)
            .route(web::get().to(orders::list))
            .default_service(web::to(|| wrong_method("GET"))),
    )
    .service(
        web::resource(ORDER)
            .route(web::get().to(orders::get))
            .default_service(web::to(|| wrong_method("GET"))),
    )
    .service(
        web::resource(CHECKOUT_GROUP)
            .route(web::get().to(orders::get_group))
            .default_service(web::to(|| wrong_method("GET"))),
    )
    .default_service(web::to(unknown_route));
}

#[expect(clippy::unused_async, reason = "a handler is async")]
async fn wrong_method(allow: &'static str) -> Result<HttpResponse, ApiError> {
    Err(ApiError::method_not_allowed(allow))
}

async fn unknown_route() -> Result<HttpResponse, ApiError> {
    Err(ApiError::new(
        Code::NotFound,
        "There is no such route; the API is under /api/v1.",
    ))
}
