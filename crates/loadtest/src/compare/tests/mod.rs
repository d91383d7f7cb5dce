//! Tests of the comparison's reading and judging of measurements.

mod bars_judge;
mod floors_hold;
mod logs_are_read;
