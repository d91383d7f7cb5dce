//! The files of the page that shows the document: Swagger UI, compiled in, and a script of our own.

use std::{
    borrow::Cow,
    sync::{Arc, LazyLock},
};

use actix_web::web;
use utoipa_swagger_ui::Config;

const START: &str = include_str!("page.js");

/// A file that the page asks for.
#[derive(Clone, Copy, Debug)]
pub struct File {
    /// The file's name below `/docs/`.
    pub name: &'static str,
    /// The file's `Content-Type`.
    pub content_type: &'static str,
}

/// All files of the page.
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

/// The bytes of one of [`FILES`].
pub fn contents(name: &str) -> web::Bytes {
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
