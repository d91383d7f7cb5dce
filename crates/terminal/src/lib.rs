//! What the command line tools show: progress on stderr, and tables.
//!
//! It only shows. It must not know what is counted, or anything else of splitcart.

mod screen;
mod table;

pub use comfy_table::Table;
pub use screen::Screen;
pub use table::{count, markdown_table, narrow_table, table};
