//! `splitcart demo`: what a newcomer sees first must work, twice in one data directory.

use std::process::Command;

#[test]
fn the_demo_shows_a_purchase_and_ends_when_asked_to() {
    let dir = tempfile::Builder::new()
        .prefix("splitcart-demo-")
        .tempdir()
        .unwrap();
    for run in 1..=2 {
        let output = Command::new(env!("CARGO_BIN_EXE_splitcart"))
            .args(["demo", "--exit", "--data-dir"])
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
