//! Commands that are programs of their own are typed like all others.

use std::{fs, process::Command};

use crate::support::server::splitcart;

const TOOLS: [&str; 7] = [
    "audit", "demo", "import", "loadtest", "outbox", "seed", "top",
];

fn shown(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn help_is_the_tool_s_own_however_it_is_asked_for() {
    for tool in TOOLS {
        let usage = format!("Usage: splitcart {tool} [OPTIONS]");
        let help = shown(splitcart(tool).arg("--help"));
        assert!(help.contains(&usage), "{help}");
        assert_eq!(help, shown(splitcart("help").arg(tool)));
    }
}

#[test]
fn the_list_of_commands_describes_a_tool_in_the_tool_s_own_words() {
    let list = shown(&mut splitcart("--help"));
    for tool in TOOLS {
        let help = shown(splitcart(tool).arg("--help"));
        let description = help.lines().next().unwrap();
        let is_there = list.lines().any(|line| {
            let line = line.trim();
            line.starts_with(tool) && line.ends_with(description.trim_end_matches('.'))
        });
        assert!(is_there, "{tool}: {description}\n{list}");
    }
}

/// The common options work before and behind the tool's name, and the tool's status is the command's.
#[test]
fn common_options_and_the_status_are_those_of_the_command() {
    let statuses = [
        ("audit", 2),
        ("demo", 1),
        ("import", 2),
        ("loadtest", 1),
        ("outbox", 2),
        ("seed", 1),
        ("top", 1),
    ];
    for (tool, status) in statuses {
        for arguments in [
            ["--config", "/nowhere.toml", tool],
            [tool, "--config", "/nowhere.toml"],
        ] {
            let mut command = splitcart(arguments[0]);
            command.args(&arguments[1..]);
            match tool {
                "import" => drop(command.arg("products.csv")),
                "outbox" => drop(command.arg("status")),
                _ => {}
            }
            let output = command.output().unwrap();
            let told = String::from_utf8_lossy(&output.stderr);
            assert_eq!(output.status.code(), Some(status), "{told}");
            assert!(told.starts_with("splitcart: "), "{told}");
            assert!(told.contains("/nowhere.toml"), "{told}");
        }
    }
    let output = splitcart("audit").arg("--jsno").output().unwrap();
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn a_program_without_its_tools_says_where_they_are_missed_and_how_they_are_built() {
    let dir = tempfile::tempdir().unwrap();
    let alone = dir.path().canonicalize().unwrap().join("splitcart");
    fs::copy(env!("CARGO_BIN_EXE_splitcart"), &alone).unwrap();
    let output = Command::new(&alone).arg("import").output().unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{told}");
    let place = alone.with_file_name("splitcart-import");
    for part in [
        "`splitcart import`",
        place.to_str().unwrap(),
        "cargo build --release -p splitcart-catalogue",
    ] {
        assert!(told.contains(part), "{part} is not in: {told}");
    }
    assert!(shown(Command::new(&alone).arg("openapi")).contains("openapi"));
}
