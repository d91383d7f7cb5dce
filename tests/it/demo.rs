//! `splitcart demo`, a new user's first command, works, twice in one data directory.

use std::{
    io::{BufRead, BufReader},
    process::{Command, Stdio},
};

use crate::support::{redis::signal, server::splitcart};

#[test]
fn the_demo_shows_a_purchase_and_ends_when_asked_to() {
    let dir = tempfile::Builder::new()
        .prefix("splitcart-demo-")
        .tempdir()
        .unwrap();
    for run in 1..=2 {
        let output = demo()
            .args(["--exit", "--data-dir"])
            .arg(dir.path().join("data"))
            .output()
            .unwrap();
        let shown = String::from_utf8_lossy(&output.stdout);
        let complaints = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "run {run}:\n{shown}\n{complaints}");
        for seen in [
            "created_pending",
            "rejected: insufficient_inventory",
            "rejected: vendor_license_invalid",
            "Idempotency-Replayed",
            "IDEMPOTENCY_KEY_REUSED",
            "\"type\": \"order_created\"",
            "partially_accepted",
            "rejected: vendor_rejected",
            "fulfilled",
            "rejected: order_canceled",
            "available / reserved / fulfilled",
            "vendor_order_created",
            "yes, by the crate standardwebhooks",
        ] {
            assert!(
                shown.contains(seen),
                "run {run} does not show {seen}:\n{shown}"
            );
        }
    }
}

/// Ctrl-C at any moment of the start ends everything quietly.
#[test]
fn the_demo_can_be_stopped_while_it_starts() {
    let dir = tempfile::Builder::new()
        .prefix("splitcart-demo-")
        .tempdir()
        .unwrap();
    for seen in ["Starting", "Seeded", "1. A cart", "Ctrl-C"] {
        let mut demo = demo()
            .arg("--data-dir")
            .arg(dir.path().join(seen.replace(' ', "-")))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut shown = BufReader::new(demo.stdout.take().unwrap()).lines();
        assert!(
            shown.any(|line| line.unwrap().contains(seen)),
            "it never shows {seen}"
        );
        signal(demo.id(), "INT");
        shown.for_each(drop);
        let output = demo.wait_with_output().unwrap();
        let complaints = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "after {seen}: {complaints}");
    }
}

/// Closing the terminal sends SIGHUP, and all output is lost from then on.
#[test]
fn a_demo_whose_terminal_is_closed_leaves_nothing_running() {
    for (signal_name, heard) in [("HUP", false), ("INT", true)] {
        let dir = tempfile::Builder::new()
            .prefix("splitcart-demo-")
            .tempdir()
            .unwrap();
        let data_dir = dir.path().join("data");
        let mut demo = demo()
            .arg("--data-dir")
            .arg(&data_dir)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut shown = BufReader::new(demo.stdout.take().unwrap()).lines();
        assert!(shown.any(|line| line.unwrap().contains("Ctrl-C")));
        assert!(working_below(&data_dir) > 1, "PostgreSQL and Redis run");
        if heard {
            signal(demo.id(), signal_name);
            let told: Vec<_> = shown.map_while(Result::ok).collect();
            let farewell = format!("stopped; data kept in {}", data_dir.display());
            assert_eq!(told.last(), Some(&farewell), "{told:?}");
        } else {
            drop(shown);
            signal(demo.id(), signal_name);
        }
        assert!(demo.wait().unwrap().success());
        assert_eq!(working_below(&data_dir), 0);
    }
}

fn working_below(directory: &std::path::Path) -> usize {
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    processes
        .filter_map(|it| std::fs::read_link(it.path().join("cwd")).ok())
        .filter(|place| place.starts_with(directory))
        .count()
}

/// The command with free ports, so that it runs beside anything else on this machine.
fn demo() -> Command {
    let mut command = splitcart("demo");
    command
        .env("SPLITCART_HTTP_ADDR", "127.0.0.1:0")
        .env("SPLITCART_OPS_ADDR", "127.0.0.1:0");
    command
}
