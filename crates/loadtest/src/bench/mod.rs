//! Shared by the comparison and the fault benchmark: child processes, and recorded floors.

pub mod child;
pub mod floors;
pub mod server;
