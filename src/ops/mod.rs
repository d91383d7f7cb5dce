//! The private listener: health and metrics, never on the public one.

mod health;

use actix_web::{HttpResponse, web};
use secrecy::SecretString;
use tokio::sync::watch;

use crate::{
    actors::{checkout_batch::CheckoutDesk, vendor_directory::VendorDirectory},
    carts::batch::CartDesk,
    metrics::{DEEPEST_VENDORS_MAX, Metrics},
    outbox::sink_state::SinkState,
    telemetry,
};

pub use self::health::{KeptConnection, connect_early};

/// What the private listener reports on.
#[derive(Debug)]
pub struct Ops {
    /// Asked whether it is reachable and migrated.
    pub database: KeptConnection,
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
    app.route("/livez", web::get().to(health::live))
        .route("/readyz", web::get().to(health::ready))
        .route("/metrics", web::get().to(metrics));
}

async fn metrics(ops: web::Data<Ops>) -> HttpResponse {
    ops.metrics
        .set_log_lines_dropped(telemetry::dropped_lines());
    let deepest = ops.directory.deepest(DEEPEST_VENDORS_MAX);
    let text = ops
        .metrics
        .encode(&deepest)
        .expect("writing to a string can't fail");
    HttpResponse::Ok()
        .content_type("application/openmetrics-text; version=1.0.0; charset=utf-8")
        .body(text)
}
