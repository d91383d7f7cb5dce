//! `splitcart doctor`: what is really broken is named by its id, and nothing else is.

mod machine;
mod output;
mod postgresql;
mod redis;
mod set_up;
mod sinks;
