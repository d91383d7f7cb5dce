//! Output of the command line tools: progress on stderr, and tables.
//!
//! Only shows: it must not know the things that are counted, or anything else of splitcart.

mod screen;
mod table;

pub use comfy_table::Table;
pub use screen::Screen;
pub use table::{count, markdown_table, narrow_table, table};
