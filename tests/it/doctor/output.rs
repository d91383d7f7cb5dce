//! The report for people, the help, and the exit status.

use std::process::Stdio;

use super::set_up::{SetUp, run};
use crate::support::server::splitcart;

#[tokio::test]
async fn people_get_a_table_without_colours_where_there_is_no_terminal() {
    let set_up = SetUp::new().await;
    set_up.events.set("appendonly", "no").await;
    let output = run(set_up.command()).await;
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(!text.contains('\x1b'), "{text}");
    for part in [
        "PostgreSQL\n  well      postgresql.reachable",
        "NOT WELL  sink.persistence (stream)",
        "-> set `appendonly yes`",
        "1 line is not well, ",
    ] {
        assert!(text.contains(part), "{part:?}: {text}");
    }
    assert!(
        text.lines().all(|line| line.chars().count() <= 140),
        "{text}"
    );
}

#[tokio::test]
async fn the_private_servers_of_a_directory_are_looked_at_where_they_run() {
    let dir = tempfile::tempdir_in("/tmp").unwrap();
    let data_dir = dir.path().join("data");
    let mut command = splitcart("doctor");
    command.arg("--data-dir").arg(&data_dir);
    let asleep = run(command).await;
    assert_eq!(asleep.status.code(), Some(0), "{asleep:?}");
    assert!(!data_dir.exists(), "to look makes nothing");
    let text = String::from_utf8(asleep.stdout).unwrap();
    assert!(text.contains("postgresql.reachable and 15 more"), "{text}");

    let server = crate::support::Server::start_embedded(&data_dir).await;
    let mut command = splitcart("doctor");
    command
        .arg("--data-dir")
        .arg(&data_dir)
        .env(
            "SPLITCART_OPS_ADDR",
            server.ops.trim_start_matches("http://"),
        )
        .env(
            "SPLITCART_HTTP_ADDR",
            server.http.trim_start_matches("http://"),
        );
    let awake = super::set_up::Report::of(command).await;
    awake.assert_names(&[], &[]);
}

#[tokio::test]
async fn the_help_has_examples_and_the_exit_status() {
    let mut command = splitcart("doctor");
    command.arg("--help");
    let help = String::from_utf8(run(command).await.stdout).unwrap();
    for part in [
        "Usage: splitcart doctor [OPTIONS]",
        "Examples:",
        "Exit status: 0",
        "--timeout",
    ] {
        assert!(help.contains(part), "{help}");
    }
}

/// A wrong option, and a report that nobody can read.
#[tokio::test]
async fn a_doctor_that_can_t_run_ends_with_status_two() {
    let mut command = splitcart("doctor");
    command.args(["--timeout", "0"]);
    assert_eq!(run(command).await.status.code(), Some(2));
    let mut command = splitcart("doctor");
    let full = std::fs::File::options()
        .write(true)
        .open("/dev/full")
        .unwrap();
    command
        .args(["--data-dir", "/nowhere"])
        .stdout(Stdio::from(full));
    let status = tokio::task::spawn_blocking(move || command.status().unwrap());
    assert_eq!(status.await.unwrap().code(), Some(2));
}
