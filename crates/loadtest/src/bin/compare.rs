//! The program behind `make bench-compare`: see `compare` in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    loadtest::compare::main()
}
