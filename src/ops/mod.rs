//! The private listener: health checks and metrics, which are never on the public one.
//!
//! | rule | file |
//! |---|---|
//! | when the service is live, and when it is ready | `health` |
//! | a client of this listener, for commands | [`ask`] |
//! | the problems that readiness names, and since when | `problems` |
//! | what the service does now, for people | [`console`] |
//! | which servers of Redis commands go to, and whether they take writes | [`redis_role`] |
//! | the formats of `/metrics` | `exposition` |
//! | the log's filter, profiles and memory | `debug` |

pub mod ask;
pub mod console;
mod debug;
mod exposition;
mod health;
mod problems;
pub mod redis_role;

use actix_web::{
    FromRequest, Handler, HttpRequest, HttpResponse, HttpResponseBuilder, Resource, Responder,
    http::header, web,
};
use serde_json::json;
use tokio::sync::watch;

use crate::{
    carts::batch::CartDesk,
    checkout::batch::CheckoutDesk,
    db,
    inventory::desk::CountDesk,
    metrics::{DEEPEST_VENDORS_MAX, Metrics},
    orders::batch::OrderDesk,
    outbox::sink_state::SinkStates,
    redis_client::Target,
    telemetry,
    vendors::directory::VendorDirectory,
};

pub use self::health::{KeptConnection, Remembered, connect_early};

use self::{console::Console, exposition::Format};

/// The parts of the service that health and metrics report on.
#[derive(Debug)]
pub struct Ops {
    pub database: KeptConnection,
    pub remembered: Remembered,
    pub redis: Target,
    pub checkouts: CheckoutDesk,
    pub carts: CartDesk,
    pub orders: OrderDesk,
    pub counts: CountDesk,
    pub directory: VendorDirectory,
    pub metrics: Metrics,
    pub sinks: SinkStates,
    /// True if the pages of `debug` are on.
    pub is_debug_enabled: bool,
    pub console: Console,
    /// True from SIGTERM on.
    pub stopping: watch::Receiver<bool>,
}

/// Adds the routes.
pub fn configure(app: &mut web::ServiceConfig) {
    app.service(read("/livez", health::live))
        .service(read("/readyz", health::ready))
        .service(read("/metrics", metrics))
        .configure(debug::configure)
        .configure(console::configure)
        .default_service(web::to(async || {
            refusal(
                &mut HttpResponse::NotFound(),
                "NOT_FOUND",
                "There is no such page; there are /ops, /livez, /readyz, /metrics and, with ops.debug, \
                 /debug/log-filter, /debug/profile and /debug/heap.",
            )
        }));
}

/// Makes a route for GET and HEAD; other methods are refused.
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
    ops.metrics.set_database_errors(db::error_counts());
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
