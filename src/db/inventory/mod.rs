//! Stock: reserved by checkouts, counted by its vendors.
//!
//! | statement | file |
//! |---|---|
//! | the conditional UPDATE of a reservation, and freeing what was reserved | `reserve` |
//! | finding, locking and writing what a vendor counts | `counts` |
//! | the first answers of counts | `answers` |
//! | a vendor's stock, page by page | `list` |

mod answers;
mod counts;
mod list;
mod reserve;

pub use answers::{COUNT_KEY_TAKEN, NewAnswer, find_first_answer, sweep_expired_answers};
pub use counts::{FoundStock, Written, find_products, lock_free_rows, lock_rows, write_counts};
pub use list::{ListedStock, StockFilter, find_page};
pub use reserve::{Freeing, StockCheck, free, lock, reserve_allocated, reserve_expected};
