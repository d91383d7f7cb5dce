//! Requests and answers, side by side: what clients send, and what they get. Nothing is decided here.
//!
//! | piece | file |
//! |---|---|
//! | a cart: PUT and answer | [`cart`] |
//! | a quote: the same without totals and ids | [`quote`] |
//! | a checkout, and the request of a preview | [`checkout`] |
//! | a preview's answer | [`preview`] |
//! | decisions, fulfilments, cancellations | [`moves`] |
//! | orders that are read on their own | [`orders`] |
//! | a vendor's stock: a count, and the list | [`inventory`] |
//! | endpoints of webhooks and their deliveries | [`webhooks`] |
//! | what several of these have in common | [`cart_lines`], [`order_lines`], [`vendor_groups`], [`fields`] |

use serde::Serialize;

pub mod cart;
pub mod cart_lines;
pub mod checkout;
pub mod fields;
pub mod inventory;
pub mod moves;
pub mod order_lines;
pub mod orders;
pub mod preview;
pub mod quote;
pub mod vendor_groups;
pub mod webhooks;

#[derive(Serialize)]
struct Envelope<T> {
    data: T,
}
