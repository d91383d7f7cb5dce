//! `splitcart openapi`, `splitcart errors` and `splitcart metrics`: the contract, for programs and for people.
//! None of them needs a database.

use std::io::{self, Write};

/// The examples in the help of `splitcart openapi`.
pub(super) const OPENAPI_EXAMPLES: &str = "\
Examples:
  splitcart openapi > openapi.json      for a generator of clients
  splitcart openapi | jq '.paths | keys'
                                        the routes

A running server has the same at /openapi.json, and as a page to try it at /docs.";

/// The examples in the help of `splitcart errors`.
pub(super) const ERRORS_EXAMPLES: &str = "\
Examples:
  splitcart errors > docs/errors.md     after a change to the tables in src/http/error";

/// The examples in the help of `splitcart metrics`.
pub(super) const METRICS_EXAMPLES: &str = "\
Examples:
  splitcart metrics > docs/metrics.md   after a change to the list in src/metrics/list";

/// Prints a text; the reader of a pipe may stop early.
///
/// # Errors
/// The text can't be written.
pub fn print(text: &str) -> io::Result<()> {
    match writeln!(io::stdout().lock(), "{}", text.trim_end()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        result => result,
    }
}
