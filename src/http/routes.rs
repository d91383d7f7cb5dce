//! All public routes, with their handlers.

use actix_web::{FromRequest, Handler, HttpResponse, Resource, Responder, web};

use super::{
    carts, checkout,
    error::{ApiError, Code},
    inventory, live, moves,
    openapi::serve,
    orders,
    paths::{
        ALL, CART, CART_QUOTE, CHECKOUT, CHECKOUT_GROUP, CHECKOUT_PREVIEW, DOCS, DOCS_FILE,
        GROUP_CANCELLATION, INVENTORY, OPENAPI, ORDER, ORDER_CANCELLATION, ORDER_DECISION,
        ORDER_FULFILLMENT, ORDERS, ORDERS_STREAM, WEBHOOK_DELIVERIES, WEBHOOK_ENDPOINT,
        WEBHOOK_ENDPOINTS, WEBHOOK_REDELIVERY, WEBHOOK_ROTATION, WEBHOOK_TEST,
    },
    webhooks,
};

/// Adds the routes; whatever is not among them is 404, a wrong method 405 with `Allow`.
pub fn configure(app: &mut web::ServiceConfig, docs: bool) {
    app.service(read(CART, carts::get).route(web::put().to(carts::put)))
        .service(resource(CART_QUOTE).route(web::post().to(carts::post_quote)))
        .service(resource(CHECKOUT).route(web::post().to(checkout::post)))
        .service(resource(CHECKOUT_PREVIEW).route(web::post().to(checkout::post_preview)))
        .service(read(CHECKOUT_GROUP, orders::get_group))
        .service(resource(GROUP_CANCELLATION).route(web::post().to(moves::cancel_group)))
        .service(read(ORDERS, orders::list))
        .service(read(ORDERS_STREAM, live::get))
        .service(read(ORDER, orders::get))
        .service(resource(ORDER_DECISION).route(web::post().to(moves::decide)))
        .service(resource(ORDER_FULFILLMENT).route(web::post().to(moves::fulfil)))
        .service(resource(ORDER_CANCELLATION).route(web::post().to(moves::cancel)))
        .service(read(INVENTORY, inventory::list).route(web::put().to(inventory::put)))
        .configure(configure_webhooks)
        .default_service(web::to(unknown_route));
    if docs {
        app.service(read(OPENAPI, serve::get_document))
            .service(read(DOCS, serve::get_page))
            .service(read(DOCS_FILE, serve::get_file));
    }
}

fn configure_webhooks(app: &mut web::ServiceConfig) {
    let endpoints = read(WEBHOOK_ENDPOINTS, webhooks::list);
    let endpoint = read(WEBHOOK_ENDPOINT, webhooks::get)
        .route(web::patch().to(webhooks::change))
        .route(web::delete().to(webhooks::delete));
    app.service(endpoints.route(web::post().to(webhooks::create)))
        .service(endpoint)
        .service(resource(WEBHOOK_ROTATION).route(web::post().to(webhooks::rotate_secret)))
        .service(resource(WEBHOOK_TEST).route(web::post().to(webhooks::test)))
        .service(read(WEBHOOK_DELIVERIES, webhooks::list_deliveries))
        .service(resource(WEBHOOK_REDELIVERY).route(web::post().to(webhooks::redeliver)));
}

/// A route of [`ALL`] that can be read: HEAD is answered as GET is, by the same handler; the server
/// leaves the body out.
fn read<F, Args>(path: &'static str, handler: F) -> Resource
where
    F: Handler<Args> + Clone,
    Args: FromRequest + 'static,
    F::Output: Responder + 'static,
{
    resource(path)
        .route(web::get().to(handler.clone()))
        .route(web::head().to(handler))
}

/// A route of [`ALL`] without its handlers yet.
fn resource(path: &'static str) -> Resource {
    let (_, allow) = ALL
        .into_iter()
        .find(|(known, _)| *known == path)
        .expect("every route is listed");
    web::resource(path).default_service(web::to(move || wrong_method(allow)))
}

#[expect(clippy::unused_async, reason = "a handler is async")]
async fn wrong_method(allow: &'static str) -> Result<HttpResponse, ApiError> {
    Err(ApiError::method_not_allowed(allow))
}

async fn unknown_route() -> Result<HttpResponse, ApiError> {
    Err(ApiError::new(
        Code::NotFound,
        "There is no such route; the API is under /api/v1, its description at /docs.",
    ))
}
