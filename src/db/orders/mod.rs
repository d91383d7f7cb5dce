//! Checkout groups, vendor orders, their lines and payment intents (PF-077).

mod read;
mod write;

use serde::{Deserialize, Serialize};

pub use read::{find_checkout, find_groups_of_carts};
pub use write::insert_checkouts;

/// The column `rejection_detail`.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct RejectionDetail {
    available_qty: i32,
}
