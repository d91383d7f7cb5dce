//! What may be imported: the kinds of rows, their columns, and what a field may say.
//!
//! Owns everything about a row that can be judged without looking anywhere else. Whether the store
//! exists that a row names is `db::import`'s to say, how rows are cut out of a file `cli::import`'s.

mod column;
mod format;
mod kinds;
mod row;

#[cfg(test)]
mod tests;

pub use column::{Column, Need};
pub use format::Format;
pub use kinds::{Kind, Spec};
pub use row::{Cell, Problem, Row, read_row};
