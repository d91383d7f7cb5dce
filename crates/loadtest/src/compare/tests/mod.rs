//! How the comparison reads and judges what it has measured.

mod bars_judge;
mod floors_hold;
mod logs_are_read;
