//! The commands. They read the clock, the environment and the terminal, so that nothing below has
//! to.

pub mod seed;
