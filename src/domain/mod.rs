//! The rules of the marketplace, free of I/O.
//!
//! Nothing here is async, reads a clock, makes an id or knows SQL, actors or HTTP: `now` and new
//! ids come in as arguments. Where each rule lives:
//!
//! | rule | file |
//! |---|---|
//! | who may buy, who may sell | [`store`] |
//! | which member may do what for a store | [`caller`] |
//! | keys, scopes and the first answer of a request | [`idempotency`] |
//! | tiers, rounding, store discounts | [`pricing`] |
//! | the frozen cart and its figures | [`cart`] |
//! | what a cart must satisfy, all violations at once | [`rules`] |
//! | who gets the last units, and what a shortage policy means | [`reservation`] |
//! | for which stock a result that was foreseen is right | [`foresight`] |
//! | why a checkout can't be attempted | [`objection`] |
//! | splitting a cart by vendor and settling the outcomes | [`checkout`], `vendor_part` |
//! | orders, lines, intents and their statuses | [`order`] |
//! | why lines and orders are rejected, and what is said then | [`rejection`] |
//! | what is announced | [`event`] |

pub mod caller;
pub mod cart;
pub mod checkout;
pub mod event;
pub mod folding;
pub mod foresight;
pub mod idempotency;
pub mod ids;
pub mod money;
pub mod objection;
pub mod order;
pub mod precondition;
pub mod pricing;
pub mod product;
pub mod rejection;
pub mod reservation;
pub mod rules;
pub mod store;
mod vendor_part;
pub mod violation;

#[cfg(test)]
mod tests;
