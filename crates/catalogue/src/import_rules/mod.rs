//! The kinds of rows that can be imported, their columns, and the formats of fields.
//!
//! Owns every rule that a row can be checked against alone. Rules that need other rows, such as that a
//! named store exists, are in `db::import`; rows are cut out of files in `cli::import`.

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
