//! JSON of requests: read strictly, and every problem of its shape found at once.
//!
//! | piece | file |
//! |---|---|
//! | a JSON value as it was sent | [`Node`] (`node`), its numbers by their digits (`number`) |
//! | the problems found so far, and how each kind of value is read | [`Shape`] (`shape`) |
//! | a request body, declared once for its reader and its documentation | [`FromJson`], `request_body!` (`request`) |

mod node;
mod number;
mod request;
mod shape;

#[cfg(test)]
mod tests;

pub use node::{MEMBERS_MAX, Node};
pub(crate) use request::request_body;
pub use request::{Fields, FromJson, read};
pub use shape::{FieldProblem, Object, PROBLEMS_MAX, Shape, listed, shortened};
