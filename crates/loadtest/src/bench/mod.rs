//! What the comparison and the fault benchmark share: the server and other programs as their children.

pub mod child;
pub mod server;
