//! The details of an error: what a program needs to act on it, bounded in size.

use serde::Serialize;
use serde_json::{Value, json};

use crate::http::json::FieldProblem;

/// The longest list of details, in bytes: no error is much longer than its request, and none is longer than
/// 64 KB. Elements that are left out are counted.
const LIST_LEN_MAX: usize = 56 * 1024;

/// Details, made into JSON only when the error is answered: until then a gate may answer something else.
#[derive(Debug)]
pub enum Details {
    Fields(Vec<FieldProblem>),
    Other(Value),
}

impl Details {
    /// The JSON of `details`.
    pub fn to_json(&self) -> Value {
        match self {
            Self::Fields(problems) => json!({ "fields": problems }),
            Self::Other(value) => value.clone(),
        }
    }
}

/// As much of a list as an answer may have. `more` is the number of elements that are left out.
pub fn list<T: Serialize>(name: &str, all: &[T]) -> Value {
    let mut length = 0;
    let listed: Vec<_> = all
        .iter()
        .map(|element| json!(element))
        .take_while(|element| {
            length += element.to_string().len() + 1;
            length <= LIST_LEN_MAX
        })
        .collect();
    let more = all.len() - listed.len();
    let mut details = json!({ name: listed });
    if more > 0 {
        details["more"] = json!(more);
    }
    details
}
