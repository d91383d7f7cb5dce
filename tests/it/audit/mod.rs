//! The audit that ends the tests of crowds and faults: it finds the faults that it exists for, and no
//! others.

mod command;
mod meanwhile;
mod moves;
mod planted;
mod retention;
