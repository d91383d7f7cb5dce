//! Slots of a cluster that move under load: commands follow them.

use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::future::join_all;

use crate::support::{Reply, Shopper, patience::SLOW_REDIS, wait};

use super::{Shop, acl::add_documented_user, assert_is_replay, events_on, nodes::Cluster};

/// Buys with new shoppers, and sends each checkout again, until told to stop.
async fn keep_buying(shop: &Shop, is_over: &AtomicBool) -> Vec<(Shopper, Reply)> {
    let mut bought = Vec::new();
    while !is_over.load(Ordering::Relaxed) {
        let shoppers = join_all((0..4).map(|_| shop.shopper())).await;
        let replies = join_all(shoppers.iter().map(Shopper::check_out)).await;
        for (shopper, first) in shoppers.into_iter().zip(replies) {
            assert_eq!(first.status, 201, "{}", first.text());
            assert_is_replay(&shopper.check_out().await, &first);
            bought.push((shopper, first));
        }
    }
    bought
}

#[tokio::test]
async fn answers_are_found_while_their_slot_moves_and_afterwards() {
    let cluster = Cluster::start().await;
    let rights = ["+cluster|slots", "+asking"];
    let login = add_documented_user(&cluster.nodes, &rights).await;
    let url = cluster.url().replace("://", &format!("://{login}@"));
    let shop = Shop::open(&url, &[SLOW_REDIS]).await;
    let shopper = shop.shopper().await;
    let first = shopper.check_out().await;
    assert_eq!(first.status, 201);
    assert_is_replay(&shopper.check_out().await, &first);
    let answers = cluster.answers().await;
    let key = answers
        .values()
        .flatten()
        .next()
        .expect("an answer is kept");
    let slot = cluster.slot_of(key).await;
    let (from, is_over) = (cluster.owner_of(slot).await, AtomicBool::new(false));
    let to = (from + 1) % 3;

    let moves = async {
        let replayed = shop.replays_from("redis").await;
        cluster.begin_to_move(slot, from, to).await;
        assert_is_replay(&shopper.check_out().await, &first);
        cluster.finish(slot, to).await;
        assert_is_replay(&shopper.check_out().await, &first);
        assert!(shop.replays_from("redis").await >= replayed + 2.0);
        is_over.store(true, Ordering::Relaxed);
    };
    let (bought, ()) = tokio::join!(keep_buying(&shop, &is_over), moves);

    assert_eq!(cluster.owner_of(slot).await, to);
    assert!(cluster.answers().await[&to].contains(key), "it has moved");
    let redirections: String = cluster.nodes[from]
        .ask(&["INFO", "errorstats"])
        .await
        .unwrap();
    for code in ["errorstat_ASK:", "errorstat_MOVED:"] {
        assert!(redirections.contains(code), "{redirections}");
    }
    assert_eq!(shop.failures().await, 0.0, "nobody went on without Redis");
    assert_eq!(shop.replays_from("postgresql").await, 0.0);
    shop.assert_bought_once(&bought).await;
}

#[tokio::test]
async fn events_follow_the_slot_of_their_stream() {
    let cluster = Cluster::start().await;
    let shop = Shop::open(
        &cluster.url(),
        &[SLOW_REDIS, ("SPLITCART_OUTBOX_POLL_MS", "50")],
    )
    .await;
    let is_over = AtomicBool::new(false);
    let slot = cluster.slot_of("splitcart.events").await;
    let from = cluster.owner_of(slot).await;
    let to = (from + 1) % 3;
    let refused = "splitcart_outbox_sink_failures_total{sink=\"stream\",reason=\"cluster\"}";
    let groups = "select count(*) from checkout_groups";
    let until_more_bought = async || {
        let before = shop.market.database.count(groups).await;
        wait::until("more is bought", async || {
            shop.market.database.count(groups).await >= before + 8
        })
        .await;
    };

    let moves = async {
        until_more_bought().await;
        cluster.begin_to_move(slot, from, to).await;
        wait::until("events are sent in vain", async || {
            shop.server.metric(refused).await > 0.0
        })
        .await;
        cluster.finish(slot, to).await;
        until_more_bought().await;
        is_over.store(true, Ordering::Relaxed);
    };
    let (bought, ()) = tokio::join!(keep_buying(&shop, &is_over), moves);
    shop.until_published().await;

    let events = events_on(&cluster.nodes[to]).await;
    let mut ids: Vec<_> = events
        .iter()
        .map(|event| event["event_id"].to_string())
        .collect();
    ids.sort();
    ids.dedup();
    let bought_count = shop.market.database.count(groups).await;
    assert_eq!(ids.len(), usize::try_from(bought_count).unwrap());
    assert_eq!(ids.len(), events.len(), "none is there twice");
    let blamed = "select count(*) from outbox_events where attempts > 0";
    assert_eq!(shop.market.database.count(blamed).await, 0);
    shop.assert_bought_once(&bought).await;
}
