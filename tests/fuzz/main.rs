//! Readers of outside data, with unforeseen inputs: no input causes a panic, the cost is proportional
//! to the length, and data that is written is read back unchanged. One file per reader; corpora are in
//! `__fuzz__`. `scripts/fuzz` runs the same targets for longer.
//!
//! Readers that are private to the import are fuzzed in their own crate
//! (`crates/catalogue/src/cli/import/tests.rs`), with the same support and corpora beside it.
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
