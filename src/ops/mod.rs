//! The private listener: health and metrics, never on the public one.

mod exposition;
mod health;
pub mod redis_role;

use actix_web::{
    FromRequest, Handler, HttpRequest, HttpResponse, HttpResponseBuilder, Resource, Responder,
    http::header, web,
};
use secrecy::SecretString;
use serde_json::json;
use tokio::sync::watch;

use crate::{
    carts::batch::CartDesk,
    checkout::{batch::CheckoutDesk, vendors::directory::VendorDirectory},
    metrics::{DEEPEST_VENDORS_MAX, Metrics},
    outbox::sink_state::SinkState,
    telemetry,
};

pub use self::health::{KeptConnection, Remembered, connect_early};

use self::exposition::Format;

/// What the private listener reports on.
#[derive(Debug)]
pub struct Ops {
    /// Asked whether it is reachable and migrated.
    pub database: KeptConnection,
    /// What they have said.
    pub remembered: Remembered,
    /// Asked whether it answers; not required.
    pub redis_url: SecretString,
    /// Asked whether batches end.
    pub checkouts: CheckoutDesk,
    /// Likewise.
    pub carts: CartDesk,
    /// Asked for the deepest mailboxes.
    pub directory: VendorDirectory,
    /// What is shown.
    pub metrics: Metrics,
    /// What is known of the broker.
    pub sink: watch::Receiver<SinkState>,
    /// True from SIGTERM on: no new requests, please.
    pub stopping: watch::Receiver<bool>,
}

/// Adds the routes.
pub fn configure(app: &mut web::ServiceConfig) {
    app.service(read("/livez", health::live))
        .service(read("/readyz", health::ready))
        .service(read("/metrics", metrics))
        .default_service(web::to(async || {
            refusal(
                &mut HttpResponse::NotFound(),
                "NOT_FOUND",
                "There is no such page; there are /livez, /readyz and /metrics.",
            )
        }));
}

/// A page: HEAD is answered as GET is, without the body; other methods are refused.
fn read<F, Args>(path: &'static str, handler: F) -> Resource
where
    F: Handler<Args> + Clone,
    Args: FromRequest + 'static,
    F::Output: Responder + 'static,
{
    web::resource(path)
        .route(web::get().to(handler.clone()))
        .route(web::head().to(handler))
        .default_service(web::to(async || {
            refusal(
                HttpResponse::MethodNotAllowed().insert_header((header::ALLOW, "GET, HEAD")),
                "METHOD_NOT_ALLOWED",
                "This page does not take that method; it takes GET, HEAD.",
            )
        }))
}

fn refusal(response: &mut HttpResponseBuilder, code: &str, message: &str) -> HttpResponse {
    response.json(json!({ "error": { "code": code, "message": message } }))
}

async fn metrics(request: HttpRequest, ops: web::Data<Ops>) -> HttpResponse {
    ops.metrics
        .set_log_lines_dropped(telemetry::dropped_lines());
    let deepest = ops.directory.deepest(DEEPEST_VENDORS_MAX);
    let text = ops
        .metrics
        .encode(&deepest)
        .expect("writing to a string can't fail");
    let format = Format::accepted(&request);
    HttpResponse::Ok()
        .content_type(format.content_type())
        .insert_header((header::VARY, "accept"))
        .body(format.write(text))
}
