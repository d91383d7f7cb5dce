//! Writes and reads checkout groups, vendor orders, their lines and payment intents (PF-077).

mod bought;
mod detail;
mod late;
mod load;
pub mod moves;
mod named;
mod page;
mod read;
mod undecided;
mod write;

pub use bought::count_bought;
pub use late::{Extent, Look, LookMax, look_for_late, record_walked_to, walked_to};
pub use load::load_of_any;
pub use named::{find_named, find_named_of};
pub use page::{Page, Position, Walk, find_page};
pub use read::{find_checkout, find_groups_of_carts, find_order};
pub use undecided::{Part, count_undecided};
pub use write::insert_checkouts;
