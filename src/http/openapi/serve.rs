//! Serves the document and a page that shows it. The page is Swagger UI, compiled in: a browser
//! fetches nothing from anywhere else, and its policy forbids it to.

use std::{
    borrow::Cow,
    sync::{Arc, LazyLock},
};

use actix_web::{HttpResponse, http::header, web};
use utoipa_swagger_ui::Config;

use crate::http::error::{ApiError, Code};

use super::document;

/// Swagger UI sets `style` attributes and draws its icons from `data:` URLs; scripts are files.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; \
                      img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action \
                      'none'; frame-ancestors 'none'";

const PAGE: &str = include_str!("page.html");
const START: &str = include_str!("page.js");

/// A file that the page asks for.
#[derive(Clone, Copy, Debug)]
pub struct File {
    /// Its name below `/docs/`.
    pub name: &'static str,
    /// What it is.
    pub content_type: &'static str,
}

/// All of them.
pub const FILES: [File; 4] = [
    File {
        name: "favicon-32x32.png",
        content_type: "image/png",
    },
    File {
        name: "swagger-ui.css",
        content_type: "text/css",
    },
    File {
        name: "swagger-ui-bundle.js",
        content_type: "text/javascript",
    },
    File {
        name: START_NAME,
        content_type: "text/javascript",
    },
];

const START_NAME: &str = "start.js";

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
/// 404 for whatever is no file of the page.
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

fn contents(name: &str) -> web::Bytes {
    static UNUSED: LazyLock<Arc<Config<'static>>> = LazyLock::new(Arc::default);
    if name == START_NAME {
        return web::Bytes::from_static(START.as_bytes());
    }
    let file = utoipa_swagger_ui::serve(name, Arc::clone(&UNUSED))
        .ok()
        .flatten()
        .expect("a test asks for each of the files");
    match file.bytes {
        Cow::Borrowed(bytes) => web::Bytes::from_static(bytes),
        Cow::Owned(bytes) => bytes.into(),
    }
}
