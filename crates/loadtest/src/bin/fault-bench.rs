//! The program behind `make fault-bench`: see `fault_bench` in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    loadtest::fault_bench::main()
}
