//! Stock: reserved by checkouts, counted by its vendors.
//!
//! | statement | file |
//! |---|---|
//! | the conditional UPDATE of a reservation | `reserve` |
//! | finding, locking and writing what a vendor counts | `counts` |
//! | freeing reserved units | `free` |
//! | the first answers of counts | `answers` |
//! | a vendor's stock, page by page | `list` |

mod answers;
mod counts;
mod free;
mod list;
mod reserve;

pub use answers::{COUNT_KEY_TAKEN, NewAnswer, find_first_answer, sweep_expired_answers};
pub use counts::{FoundStock, Written, find_products, lock_free_rows, lock_rows, write_counts};
pub use free::{Freeing, free};
pub use list::{ListedStock, StockFilter, find_page};
pub use reserve::{StockCheck, lock, reserve_allocated, reserve_expected};
