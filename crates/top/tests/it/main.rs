//! The program of this crate as it is run. Its tests with a running service are in `tests/it` of the root,
//! which runs it as it is typed; cargo builds it for them because of this.

use std::process::Command;

#[test]
fn the_help_of_top_names_the_command_as_it_is_typed() {
    let program = env!("CARGO_BIN_EXE_splitcart-top");
    let output = Command::new(program).arg("--help").output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let help = String::from_utf8(output.stdout).unwrap();
    for part in [
        "Usage: splitcart top [OPTIONS]",
        "--once",
        "--config <FILE>",
        "splitcart top --once --json",
    ] {
        assert!(help.contains(part), "{part} is not in:\n{help}");
    }
}
