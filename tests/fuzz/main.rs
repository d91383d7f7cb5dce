//! Whatever comes from outside, read with inputs that nobody has thought of: nothing panics, nothing costs
//! much more than its length, and what is read is what was written. One file per reader; corpora are in
//! `__fuzz__`. `scripts/fuzz` runs the same for longer.
//!
//! What is private to the import is fuzzed in its own crate (`crates/catalogue/src/cli/import/tests.rs`), with
//! the same support and corpora beside it.
#![expect(clippy::unwrap_used, reason = "a test that can't go on should stop")]

#[path = "support.rs"]
mod fuzz_support;

mod addresses;
mod bodies;
mod cursors;
mod folding;
mod grammar;
mod kept;
mod key_sets;
mod keys;
mod media_types;
mod money;
mod preconditions;
mod queries;
mod settings;
mod tokens;
