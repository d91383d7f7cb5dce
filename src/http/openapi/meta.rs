//! The document's own routes, documented. They take no token.

use serde_json::{Map, Value, json};

use crate::http::error::Code;

use super::{errors, page_files, parts::headers};

/// The tag of the document's own routes.
pub const CONTRACT: &str = "contract";

/// `/openapi.json`.
pub fn document_path() -> Value {
    let schema = json!({ "type": "object", "required": ["openapi", "info", "paths"] });
    get(
        "getDocument",
        "This document",
        &json!([]),
        &json!({ "application/json": { "schema": schema } }),
        &[],
    )
}

/// `/docs`.
pub fn page_path() -> Value {
    get(
        "getPage",
        "This document as a page",
        &json!([]),
        &json!({ "text/html": { "schema": { "type": "string" } } }),
        &[],
    )
}

/// `/docs/{file}`.
pub fn file_path() -> Value {
    let names: Vec<_> = page_files::FILES.iter().map(|file| file.name).collect();
    let content: Map<_, _> = page_files::FILES
        .iter()
        .map(|file| (file.content_type.to_owned(), json!({})))
        .collect();
    let parameter = json!({
        "name": "file",
        "in": "path",
        "required": true,
        "description": "What the page asks for by itself.",
        "schema": { "type": "string", "enum": names },
    });
    get(
        "getPageFile",
        "A file of the page",
        &json!([parameter]),
        &json!(content),
        &[Code::NotFound],
    )
}

fn get(id: &str, summary: &str, parameters: &Value, content: &Value, own: &[Code]) -> Value {
    let found = json!({
        "description": summary,
        "headers": headers(),
        "content": content,
    });
    let mut answers = Map::from_iter([("200".to_owned(), found)]);
    answers.extend(errors::by_status(
        &[own, &[Code::RateLimited, Code::Internal]].concat(),
    ));
    let operation = json!({
        "tags": [CONTRACT],
        "operationId": id,
        "summary": summary,
        "security": [],
        "parameters": parameters,
        "responses": answers,
    });
    json!({ "get": operation })
}
