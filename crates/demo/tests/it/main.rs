//! The programs of this crate as they are run. All other tests of their work are in `tests/it` of the root,
//! which runs them as they are typed; cargo builds them for it because of these.
#![expect(clippy::unwrap_used, reason = "a test that can't go on should stop")]

use std::process::Command;

fn help_of(program: &str) -> String {
    let output = Command::new(program).arg("--help").output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn the_help_of_demo_names_the_command_as_it_is_typed() {
    let help = help_of(env!("CARGO_BIN_EXE_splitcart-demo"));
    for part in [
        "Usage: splitcart demo [OPTIONS]",
        "--exit",
        "--data-dir <DIR>",
        "splitcart demo --exit",
    ] {
        assert!(help.contains(part), "{part} is not in:\n{help}");
    }
}
