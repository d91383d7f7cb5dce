//! The schema by itself: what the database refuses, whoever asks, and what it is built of.

mod cases;
mod constraints;
mod layout;
mod rows;
