//! How the fault benchmark reads and judges what it has measured.

mod events_are_counted;
mod rows_are_judged;
mod statements_are_known;
