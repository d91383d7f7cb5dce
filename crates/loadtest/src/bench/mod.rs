//! Shared by the comparison and the fault benchmark: the server and other programs as child processes.

pub mod child;
pub mod server;
