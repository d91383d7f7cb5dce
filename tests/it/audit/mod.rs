//! The audit that ends the tests of crowds and faults: it finds what it is there to find, and
//! nothing else.

mod command;
mod meanwhile;
mod planted;
mod retention;
