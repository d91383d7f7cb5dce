//! Tests of the rules, without I/O: one file per topic.
//!
//! Expected figures are literals, or come from the naive sums in whole cents of [`market`]; never
//! from the code under test.

mod audience;
mod caller;
mod cart;
mod checkout;
mod discounts;
mod events;
mod figures;
mod folding;
mod low_stock;
mod market;
mod money;
mod order_moves;
mod policies;
mod pricing;
mod properties;
mod purchase_limits;
mod reservation;
mod rules;
mod settlement;
mod stock_count;
mod store_gate;
mod support;
mod trace_context;
