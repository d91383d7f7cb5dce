//! The schema by itself: the rows that the database refuses from any client, and the layout of its tables.

mod cases;
mod constraints;
mod layout;
mod rows;
