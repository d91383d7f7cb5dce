//! Serves the document and a page that shows it. The page is Swagger UI, compiled in: a browser
//! fetches nothing from anywhere else, and its policy forbids it to.

use actix_web::{HttpResponse, http::header, web};

use crate::http::error::{ApiError, Code};

use super::{
    build::document,
    page_files::{FILES, contents},
};

/// Swagger UI sets `style` attributes and draws its icons from `data:` URLs; scripts are files.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; \
                      img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action \
                      'none'; frame-ancestors 'none'";

const PAGE: &str = include_str!("page.html");

/// `GET /openapi.json`.
pub async fn get_document() -> HttpResponse {
    HttpResponse::Ok()
        .content_type("application/json")
        .body(document())
}

/// `GET /docs`.
pub async fn get_page() -> HttpResponse {
    under_policy("text/html; charset=utf-8").body(PAGE)
}

/// `GET /docs/{file}`.
///
/// # Errors
/// 404 if the page has no such file.
pub async fn get_file(name: web::Path<String>) -> Result<HttpResponse, ApiError> {
    let file = FILES.iter().find(|file| file.name == name.as_str());
    let file = file.ok_or_else(|| {
        ApiError::new(Code::NotFound, "The page has no such file; it is at /docs.")
    })?;
    Ok(under_policy(file.content_type).body(contents(file.name)))
}

fn under_policy(content_type: &'static str) -> actix_web::HttpResponseBuilder {
    let mut response = HttpResponse::Ok();
    response
        .content_type(content_type)
        .insert_header((header::CACHE_CONTROL, "max-age=3600"))
        .insert_header((header::CONTENT_SECURITY_POLICY, POLICY));
    response
}
