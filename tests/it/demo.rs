//! `splitcart demo`: what a newcomer sees first must work, twice in one data directory.

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

/// On free ports, whatever else runs on this machine.
fn demo() -> Command {
    let mut command = splitcart("demo");
    command
        .env("SPLITCART_HTTP_ADDR", "127.0.0.1:0")
        .env("SPLITCART_OPS_ADDR", "127.0.0.1:0");
    command
}
