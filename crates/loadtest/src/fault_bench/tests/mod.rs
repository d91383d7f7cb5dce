//! Tests of the fault benchmark's reading and judging of measurements.

mod events_are_counted;
mod rows_are_judged;
mod statements_are_known;
