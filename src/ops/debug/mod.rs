//! Pages to find out what a running service does: what it logs, where its processors' time goes, and what
//! its memory is. Off unless `ops.debug` is set: a profile costs time, and a filter can hide what operators
//! need.

mod heap;
mod log_filter;
mod profile;

use actix_web::{FromRequest, HttpRequest, HttpResponse, dev::Payload, http::header, web};
use std::future::{Ready, ready};

use super::{Ops, read, refusal};

/// Adds the routes.
pub(super) fn configure(app: &mut web::ServiceConfig) {
    let log_filter = web::resource("/debug/log-filter")
        .route(web::get().to(log_filter::show))
        .route(web::head().to(log_filter::show))
        .route(web::put().to(log_filter::replace))
        .default_service(web::to(async || {
            refusal(
                HttpResponse::MethodNotAllowed().insert_header((header::ALLOW, "GET, HEAD, PUT")),
                "METHOD_NOT_ALLOWED",
                "This page does not take that method; it takes GET, HEAD, PUT.",
            )
        }));
    app.app_data(web::QueryConfig::default().error_handler(|error, _| unreadable(error)))
        .service(log_filter)
        .service(read("/debug/profile", profile::profile))
        .service(read("/debug/heap", heap::heap));
}

/// The permission to use these pages. Without it they answer 404, with a hint.
pub(super) struct Enabled;

impl FromRequest for Enabled {
    type Error = actix_web::Error;
    type Future = Ready<Result<Self, Self::Error>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let ops = request.app_data::<web::Data<Ops>>();
        let is_enabled = ops.is_some_and(|ops| ops.is_debug_enabled);
        ready(if is_enabled { Ok(Self) } else { Err(off()) })
    }
}

fn off() -> actix_web::Error {
    let refused = refusal(
        &mut HttpResponse::NotFound(),
        "NOT_FOUND",
        "This page is off; ops.debug = true (SPLITCART_OPS_DEBUG) turns it on.",
    );
    actix_web::error::InternalError::from_response("ops.debug is off", refused).into()
}

/// A query that can't be read, in the envelope of all answers.
fn unreadable(error: actix_web::error::QueryPayloadError) -> actix_web::Error {
    let refused = invalid(&format!("{error}."));
    actix_web::error::InternalError::from_response(error, refused).into()
}

fn invalid(message: &str) -> HttpResponse {
    refusal(&mut HttpResponse::BadRequest(), "VALIDATION_ERROR", message)
}
