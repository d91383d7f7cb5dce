//! Writes and reads checkout groups, vendor orders, their lines and payment intents (PF-077).

mod load;
mod page;
mod read;
mod write;

use serde::{Deserialize, Serialize};

pub use page::{Page, Position, Walk, find_page};
pub use read::{find_checkout, find_groups_of_carts, find_order};
pub use write::insert_checkouts;

/// The column `rejection_detail`.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct RejectionDetail {
    available_qty: i32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reserved_qty: Option<i32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    moq: Option<i32>,
}
