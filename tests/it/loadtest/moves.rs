//! Load tests that move orders.

use serde_json::{Value, json};

use super::{measure, seeded};

fn moved(report: &Value, kind: &str) -> i64 {
    let moves = report["moves"].as_array().unwrap();
    let moves = moves.iter().find(|it| it["kind"] == kind);
    moves.unwrap()["succeeded_in_all"].as_i64().unwrap()
}

#[tokio::test]
async fn orders_live_on_after_their_checkouts_and_every_unit_stays_accounted_for() {
    let world = seeded(&[]).await;

    let report = measure(
        &world,
        "--mode lifecycle --count 80 --clients 8 --lines 4 --vendors 2 --retries 0.3 --hot-share 0.5",
    )
    .await;

    let database = &world.market.database;
    let groups = "select count(*) from checkout_groups";
    assert_eq!(database.count(groups).await, 80);
    for (kind, events) in [
        (
            "decision",
            "select count(*) from outbox_events where event_type = 'order_decided'",
        ),
        (
            "fulfillment",
            "select count(*) from outbox_events where event_type = 'order_fulfilled'",
        ),
    ] {
        let events = database.count(events).await;
        assert!(events > 10, "{events} for {kind}");
        assert_eq!(moved(&report, kind), events, "{kind}");
    }
    let canceled = "select count(*) from vendor_orders where status = 'canceled'";
    assert!(database.count(canceled).await >= moved(&report, "cancellation"));
    assert!(moved(&report, "cancellation") > 0);
    let partial = "select count(*) from vendor_orders where status = 'partially_accepted'";
    assert!(database.count(partial).await > 0);
    let gone = "select coalesce(sum(fulfilled_qty), 0)::bigint from inventory_items";
    let stock = &report["stock"];
    let told = stock["hot"]["fulfilled"].as_i64().unwrap()
        + stock["spread"]["fulfilled"].as_i64().unwrap();
    assert_eq!(database.count(gone).await, told);
    assert!(report["bought"]["lines_released"].as_i64().unwrap() > 0);
    assert!(report["replays"]["same"].as_i64().unwrap() > 40);
}

#[tokio::test]
async fn decisions_alone_are_about_orders_that_were_made_before() {
    let world = seeded(&[]).await;

    let options = "--mode decisions --count 90 --clients 8 --reject-share 0.3 --by-line-share 0";
    let report = measure(&world, options).await;

    assert_eq!(
        report["outcomes"],
        json!([{ "status": 200, "code": "", "count": 90 }])
    );
    let database = &world.market.database;
    let decided = "select count(*) from vendor_orders where status in ('accepted', 'rejected')";
    assert_eq!(database.count(decided).await, 90);
    let rejected = "select count(*) from vendor_orders where status = 'rejected'";
    let rejected = database.count(rejected).await;
    assert!((10..50).contains(&rejected), "{rejected}");
    assert_eq!(report["bought"]["lines_released"], rejected);
    assert_eq!(report["bought"]["groups"], 0, "{report}");
}

/// Units that vanish while the test runs are found, although every answer is right.
#[tokio::test]
async fn a_unit_that_is_lost_while_orders_move_makes_the_run_unsound() {
    let world = seeded(&[]).await;
    let leak = "create function leak() returns trigger language plpgsql as $$
         begin new.available_qty := new.available_qty - 1; return new; end $$;
         create trigger leak before update on inventory_items for each row
         when (new.fulfilled_qty > old.fulfilled_qty) execute function leak()";
    world.market.database.run(leak).await;

    let options = "--mode lifecycle --count 10 --clients 2 --lines 1 --fulfill-share 1 \
                   --reject-share 0 --cancel-share 0 --cancel-group-share 0";
    let (output, report) = super::run(super::loadtest(&world, options)).await;

    assert!(!output.status.success());
    let complaints = report["complaints"].to_string();
    assert!(
        complaints.contains("products come to another sum than before"),
        "{complaints}"
    );
}

#[test]
fn shares_that_contradict_each_other_or_the_mode_are_refused() {
    for (options, told) in [
        ("--reject-share 0.2", "moves no order"),
        ("--mode decisions --fulfill-share 0.2", "--mode lifecycle"),
        (
            "--mode lifecycle --reject-share 0.6 --by-line-share 0.6",
            "at most 1",
        ),
        ("--mode lifecycle --cancel-share 2", "0 to 1"),
        (
            "--mode lifecycle --prepare-only --export x.ndjson",
            "--prepare-only",
        ),
    ] {
        let mut command = crate::support::server::splitcart("loadtest");
        let output = command.args(options.split_whitespace()).output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(
            !output.status.success() && stderr.contains(told),
            "{options}: {stderr}"
        );
    }
}
