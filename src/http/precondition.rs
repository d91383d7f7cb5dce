//! `ETag`, `If-Match` and `If-None-Match` (RFC 9110, 8.8.3 and 13.1): read and written here, decided in the
//! cart's transaction.

use actix_web::{
    HttpRequest,
    http::header::{self, HeaderName, HeaderValue},
};

use crate::domain::precondition::{CartTag, Precondition, Tags};

use super::{error::ApiError, json::FieldProblem};

const PROBLEM: &str =
    "must be * or entity tags in double quotes, such as the ETag of GET /api/v1/cart";

/// The conditions of a PUT on the cart that it replaces. Tags are compared strongly: a weak one names
/// no version.
///
/// # Errors
/// 400 with every header that is malformed or sent twice.
pub fn of_put(request: &HttpRequest) -> Result<Precondition, ApiError> {
    let matches = tags(request, &header::IF_MATCH, Weak::AreNone);
    let matches_none = tags(request, &header::IF_NONE_MATCH, Weak::AreTags);
    match (matches, matches_none) {
        (Ok(matches), Ok(matches_none)) => Ok(Precondition {
            matches,
            matches_none,
        }),
        (matches, matches_none) => {
            let problems: Vec<_> = [matches.err(), matches_none.err()]
                .into_iter()
                .flatten()
                .collect();
            Err(ApiError::malformed(&problems))
        }
    }
}

/// The versions of the cart that the client of a GET has already.
///
/// # Errors
/// 400 if the header is malformed or sent twice.
pub fn known(request: &HttpRequest) -> Result<Option<Tags>, ApiError> {
    tags(request, &header::IF_NONE_MATCH, Weak::AreTags)
        .map_err(|problem| ApiError::malformed(&[problem]))
}

/// The `ETag` of a version.
pub fn etag(tag: CartTag) -> HeaderValue {
    HeaderValue::from_str(&format!("\"{tag}\""))
        .expect("an id, a point and a number are visible ASCII")
}

/// The meaning of a weak tag, `W/"…"`.
#[derive(Clone, Copy)]
enum Weak {
    /// The same as the strong tag: `If-None-Match`.
    AreTags,
    /// No version: `If-Match`.
    AreNone,
}

fn tags(
    request: &HttpRequest,
    name: &HeaderName,
    weak: Weak,
) -> Result<Option<Tags>, FieldProblem> {
    let problem = |problem: &str| FieldProblem {
        path: canonical(name).to_owned(),
        problem: problem.to_owned(),
    };
    let mut values = request.headers().get_all(name);
    let value = match (values.next(), values.next()) {
        (None, _) => return Ok(None),
        (Some(value), None) => value.as_bytes(),
        (Some(_), Some(_)) => return Err(problem("must be sent once")),
    };
    read(value, weak).map(Some).ok_or_else(|| problem(PROBLEM))
}

/// As the documentation writes it.
fn canonical(name: &HeaderName) -> &'static str {
    if *name == header::IF_MATCH {
        "If-Match"
    } else {
        "If-None-Match"
    }
}

fn read(value: &[u8], weak: Weak) -> Option<Tags> {
    let text = std::str::from_utf8(value).ok()?.trim_matches([' ', '\t']);
    if text == "*" {
        return Some(Tags::Any);
    }
    let mut listed = Vec::new();
    let mut rest = text;
    loop {
        let strong = rest.strip_prefix("W/");
        let is_weak = strong.is_some();
        let (tag, behind) = strong.unwrap_or(rest).strip_prefix('"')?.split_once('"')?;
        // RFC 9110: etagc is %x21, %x23-7E or obs-text.
        if tag
            .chars()
            .any(|letter| letter <= ' ' || letter == '\u{7f}')
        {
            return None;
        }
        if !is_weak || matches!(weak, Weak::AreTags) {
            listed.push(tag.to_owned());
        }
        let behind = behind.trim_start_matches([' ', '\t']);
        if behind.is_empty() {
            return Some(Tags::Listed(listed));
        }
        rest = behind.strip_prefix(',')?.trim_start_matches([' ', '\t']);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_condition_is_a_star_or_a_list_of_quoted_tags() {
        for (value, tags) in [
            ("*", Some(Tags::Any)),
            (" * ", Some(Tags::Any)),
            ("\"a.1\"", Some(listed(&["a.1"]))),
            ("\"a.1\" ,\t\"b,2\"", Some(listed(&["a.1", "b,2"]))),
            ("\"\"", Some(listed(&[""]))),
            ("W/\"a.1\", \"b\"", Some(listed(&["b"]))),
            ("", None),
            ("a.1", None),
            ("\"a.1", None),
            ("\"a.1\" \"b\"", None),
            ("\"a.1\",", None),
            ("*, \"a.1\"", None),
            ("w/\"a.1\"", None),
            ("\"a 1\"", None),
        ] {
            assert_eq!(read(value.as_bytes(), Weak::AreNone), tags, "{value}");
        }
        let weak = read(b"W/\"a.1\"", Weak::AreTags);
        assert_eq!(weak, Some(listed(&["a.1"])));
    }

    fn listed(tags: &[&str]) -> Tags {
        Tags::Listed(tags.iter().map(|tag| (*tag).to_owned()).collect())
    }
}
