//! Reads a request's JSON body and its Idempotency-Key.

use actix_web::{HttpRequest, http::header, web};
use futures_util::StreamExt;

use crate::domain::idempotency::IdempotencyKey;

use super::{
    body_limits::{BODY_LEN_MAX, BODY_WAIT_MAX},
    error::ApiError,
    json::{FieldProblem, Node},
};

/// The names that UTF-8 goes by (IANA's register of character sets, and the WHATWG's labels).
const UTF_8: [&str; 7] = [
    "utf-8",
    "utf8",
    "csutf8",
    "unicode-1-1-utf-8",
    "unicode11utf8",
    "unicode20utf8",
    "x-unicode20utf8",
];

const IDEMPOTENCY_KEY: &str = "Idempotency-Key";

/// The request's Idempotency-Key.
///
/// # Errors
/// 400 if it is missing, sent twice or malformed.
pub fn idempotency_key(request: &HttpRequest) -> Result<IdempotencyKey, ApiError> {
    let mut values = request.headers().get_all(IDEMPOTENCY_KEY);
    let problem = match (values.next(), values.next()) {
        (None, _) => {
            "is required: a fresh key per request, the same one for its retries".to_owned()
        }
        (Some(_), Some(_)) => "must be sent once".to_owned(),
        (Some(value), None) => match IdempotencyKey::parse(value.as_bytes()) {
            Ok(key) => return Ok(key),
            Err(error) => error.to_string(),
        },
    };
    let path = IDEMPOTENCY_KEY.to_owned();
    Err(ApiError::malformed(&[FieldProblem { path, problem }]))
}

/// The request's body as JSON.
///
/// # Errors
/// 415 if it is not `application/json` in UTF-8 or is compressed, 413 if it is too large, 400 if it is
/// not JSON.
pub async fn json(request: &HttpRequest, payload: web::Payload) -> Result<Node, ApiError> {
    if !is_plain_json(request) {
        return Err(ApiError::unsupported_media_type());
    }
    let bytes = tokio::time::timeout(BODY_WAIT_MAX, read(request, payload))
        .await
        .map_err(|_| broken_body(format!("did not arrive within {BODY_WAIT_MAX:?}")))??;
    Node::parse(&bytes).map_err(|error| {
        let what = if error.is_data() {
            "can't be read"
        } else {
            "is not valid JSON"
        };
        broken_body(format!("{what}: {error}"))
    })
}

/// True if the headers announce plain JSON in UTF-8. Nothing is decompressed: a small body could become a
/// large one.
fn is_plain_json(request: &HttpRequest) -> bool {
    let is = |text: &str, wanted: &str| text.trim().trim_matches('"').eq_ignore_ascii_case(wanted);
    let headers = request.headers();
    let text = |name| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
    let (media_type, parameters) = text(header::CONTENT_TYPE)
        .map(|value| value.split_once(';').unwrap_or((value, "")))
        .unwrap_or_default();
    let other_charset = parameters
        .split(';')
        .filter_map(|parameter| parameter.split_once('='))
        .any(|(name, value)| is(name, "charset") && !UTF_8.iter().any(|label| is(value, label)));
    let encodings = headers.get_all(header::CONTENT_ENCODING);
    let compressed = encodings
        .into_iter()
        .any(|encoding| !is(encoding.to_str().unwrap_or("?"), "identity"));
    is(media_type, "application/json") && !other_charset && !compressed
}

fn broken_body(problem: String) -> ApiError {
    let path = String::new();
    ApiError::malformed(&[FieldProblem { path, problem }])
}

async fn read(request: &HttpRequest, mut payload: web::Payload) -> Result<Vec<u8>, ApiError> {
    let announced = request
        .headers()
        .get(header::CONTENT_LENGTH)
        .and_then(|length| length.to_str().ok())
        .and_then(|length| length.parse::<u64>().ok());
    if announced.is_some_and(|length| length > BODY_LEN_MAX as u64) {
        return Err(ApiError::payload_too_large());
    }
    let mut bytes = Vec::new();
    while let Some(chunk) = payload.next().await {
        let chunk = chunk.map_err(|error| broken_body(format!("could not be read: {error}")))?;
        if bytes.len() + chunk.len() > BODY_LEN_MAX {
            return Err(ApiError::payload_too_large());
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}
