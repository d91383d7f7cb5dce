//! The OpenAPI document: what the API takes and answers, for people and for programs.
//!
//! Schemas of requests and answers come from the types that are read and answered, errors from the
//! table of codes, paths from [`paths`](super::paths). Nothing here decides how a request is handled;
//! that the two agree is checked by `tests`, by every integration test's client, and by `make
//! contract`.
//!
//! | piece | file |
//! |---|---|
//! | the document as a whole | `build` |
//! | operations, by tag | `cart`, `checkout`, `orders`, `moves`, `inventory`, `meta` |
//! | what they are put together from | `parts`, `errors` |
//! | what is done to all of it for programs that generate clients from it | `finish`, `enumerations` |
//! | serving it, and the page for people with its files | `serve`, `page_files` |

mod build;
mod cart;
pub(crate) mod checkout;
mod enumerations;
mod errors;
mod finish;
mod inventory;
mod meta;
mod moves;
mod orders;
mod page_files;
mod parts;
pub(crate) mod serve;
#[cfg(test)]
mod tests;
mod webhooks;

pub use build::{document, whole_document};
