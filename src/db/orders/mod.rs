//! Writes and reads checkout groups, vendor orders, their lines and payment intents (PF-077).

mod bought;
mod detail;
mod load;
mod page;
mod read;
mod write;

pub use bought::count_bought;
pub use page::{Page, Position, Walk, find_page};
pub use read::{find_checkout, find_groups_of_carts, find_order};
pub use write::insert_checkouts;
