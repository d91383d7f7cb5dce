//! Requests and answers, side by side: what clients send, and what they get.

use serde::Serialize;

pub mod cart;
pub mod checkout;
pub mod orders;
pub mod preview;
pub mod quote;

#[derive(Serialize)]
struct Envelope<T> {
    data: T,
}
