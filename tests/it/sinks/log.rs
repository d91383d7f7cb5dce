//! Events as lines of the log.

use serde_json::Value;

use crate::support::wait;

use super::world::SinkWorld;

const SINK: &str = "[[outbox.sinks]]\nname = \"lines\"\nkind = \"log\"\n";

fn lines(world: &SinkWorld) -> Vec<Value> {
    let log = world.server.log();
    let lines = log.iter().map(|line| serde_json::from_str::<Value>(line));
    let events = lines
        .flatten()
        .filter(|it| it["target"] == "splitcart::events");
    events
        .map(|it| serde_json::from_str(it["message"].as_str().unwrap()).unwrap())
        .collect()
}

#[tokio::test]
async fn each_event_is_a_line_of_the_log() {
    let world = SinkWorld::start(&[SINK]).await;
    world.announce(0).await;
    world.announce(1).await;
    wait::until("ten lines are there", async || lines(&world).len() >= 10).await;
    world.assert_in_order(&lines(&world), 0..2);
}

#[tokio::test]
async fn a_filter_that_hides_the_lines_is_told_and_no_event_is_lost() {
    let settings = [("SPLITCART_LOG_FILTER", "info,splitcart::events=off")];
    let world = SinkWorld::with_settings(&[SINK], &settings).await;
    world.announce(0).await;
    world.until_down("lines", "not_allowed").await;
    world.server.until_logged("splitcart::events=info").await;
    let published = "select count(*) from outbox_events where published_at is not null";
    assert_eq!(world.market.database.count(published).await, 0);
    world.assert_nothing_blamed().await;
}
