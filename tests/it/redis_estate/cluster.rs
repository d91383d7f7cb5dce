//! A cluster: keys are spread over its nodes, and a node that is gone costs time only.

use futures_util::future::join_all;

use crate::support::{Shopper, patience::SLOW_REDIS, wait};

use super::{NO_PAUSE, Shop, assert_is_replay, events_on, nodes::Cluster};

#[tokio::test]
async fn claims_and_answers_are_spread_over_the_nodes_and_events_are_on_one() {
    let cluster = Cluster::start().await;
    let shop = Shop::open(&cluster.url(), &[SLOW_REDIS]).await;
    let shoppers = join_all((0..30).map(|_| shop.shopper())).await;

    let replies = join_all(shoppers.iter().map(Shopper::check_out)).await;
    let bought: Vec<_> = shoppers.into_iter().zip(replies).collect();
    for (shopper, first) in &bought {
        assert_is_replay(&shopper.check_out().await, first);
    }
    shop.until_published().await;

    assert_eq!(shop.failures().await, 0.0);
    assert_eq!(shop.replays_from("redis").await, 30.0);
    let answers = cluster.answers().await;
    assert!(answers.values().all(|keys| !keys.is_empty()), "{answers:?}");
    let stream = cluster.slot_of("splitcart.events").await;
    let owner = cluster.owner_of(stream).await;
    assert_eq!(events_on(&cluster.nodes[owner]).await.len(), 30);
    let (state, servers) = shop.redis_state().await;
    assert_eq!((state.as_str(), servers.len()), ("ready", 3));
    assert!(servers.iter().all(|server| server["role"] == "primary"));
    shop.assert_bought_once(&bought).await;
}

#[tokio::test]
async fn a_node_that_dies_costs_no_order_and_is_used_again_when_it_is_back() {
    let mut cluster = Cluster::start().await;
    let shop = Shop::open(&cluster.url(), &[NO_PAUSE]).await;
    shop.until_redis_replays().await;

    // The one that the URL does not name.
    cluster.nodes[2].kill().await;
    wait::until("the others miss it", async || {
        let info: String = cluster.nodes[0].ask(&["CLUSTER", "INFO"]).await.unwrap();
        info.contains("cluster_state:fail")
    })
    .await;
    let shoppers = join_all((0..8).map(|_| shop.shopper())).await;
    let replies = join_all(shoppers.iter().map(Shopper::check_out)).await;
    let bought: Vec<_> = shoppers.into_iter().zip(replies).collect();
    assert!(shop.failures().await > 0.0, "Redis was away");
    wait::until("readiness names the node", async || {
        let (state, servers) = shop.redis_state().await;
        state.starts_with(&cluster.nodes[2].address()) && servers.len() == 3
    })
    .await;
    cluster.nodes[2].restart().await;
    for node in &cluster.nodes {
        node.until_cluster_is_up().await;
    }

    shop.until_redis_replays().await;
    shop.until_published().await;
    shop.assert_bought_once(&bought).await;
}

/// A node in the URL that hangs does not keep the service from the others.
#[tokio::test]
async fn a_cluster_is_found_though_the_first_node_of_its_url_is_gone() {
    let mut cluster = Cluster::start().await;
    for node in &cluster.nodes {
        node.tell(&["CONFIG", "SET", "cluster-require-full-coverage", "no"])
            .await;
    }
    cluster.nodes[0].kill().await;
    let shop = Shop::open(&cluster.url(), &[NO_PAUSE, SLOW_REDIS]).await;

    // Two thirds of the stores have their keys on the other nodes.
    shop.until_redis_replays().await;
}

#[tokio::test]
async fn a_node_that_is_configured_alone_is_named_with_the_remedy() {
    let cluster = Cluster::start().await;
    let url = format!("redis://{}", cluster.nodes[0].address());
    let shop = Shop::open(&url, &[NO_PAUSE]).await;

    assert_eq!(shop.shopper().await.check_out().await.status, 201);
    let (state, _) = shop.redis_state().await;
    assert!(
        state.contains("begin the URL with redis+cluster://"),
        "{state}"
    );
}
