//! Policies in shared transactions, and while stock moves.

use serde_json::json;

use crate::support::{
    Client, Shopper, World, assert_consistent,
    client::fresh_key,
    crowd::together,
    market::{cart_of, stock_in},
    patience::{LONG_LOCKS, patient},
    wait,
};

use super::Wanting;

/// Stock that is sold between being read and being reserved: the transaction is started again, and the
/// policy decides by the remaining stock.
#[tokio::test]
async fn the_policy_decides_by_the_stock_that_is_there_in_the_end() {
    for (policy, status, stock, sold) in [
        ("fill", 201, (0, 3), 3),
        ("reject_vendor", 201, (3, 0), 0),
        ("all_or_nothing", 409, (3, 0), 0),
    ] {
        let settings = patient(&[
            ("SPLITCART_TRANSACTIONS_IN_FLIGHT", "1"),
            ("SPLITCART_TRANSACTIONS_OVERDUE_MAX", "0"),
            LONG_LOCKS,
        ]);
        let world = World::with_settings(&settings).await;
        let client = world.client(&world.market.buyer().await);
        let product = world.market.sold_product(500, 10).await;
        let cart_id = client.freeze(&cart_of(&[(product, 10)])).await;
        let mut held = world.market.hold_stock(product).await;

        let body = json!({ "cart_id": cart_id, "shortage_policy": policy });
        let waiting = tokio::spawn(Client::send(client.checkout_request(&fresh_key(), &body)));
        world.market.until_a_checkout_waits_for_a_lock().await;
        stock_in(&mut held, product, 3).await;
        held.commit().await.unwrap();
        let reply = waiting.await.unwrap();

        assert_eq!(reply.status, status, "{policy}: {}", reply.text());
        let moved = world
            .server
            .metric("splitcart_batch_stock_moved_total")
            .await;
        assert_eq!(moved, 1.0, "{policy}");
        assert_eq!(world.market.stock_of(product).await, stock, "{policy}");
        let pending =
            "select coalesce(sum(qty), 0)::bigint from order_line_items where status = 'pending'";
        assert_eq!(world.market.database.count(pending).await, sold, "{policy}");
        assert_consistent(&world.market.database).await;
    }
}

/// A crowd with every policy at once, in shared transactions, over too little of everything.
#[tokio::test]
async fn a_crowd_of_all_policies_never_oversells() {
    let world = World::start().await;
    let market = &world.market;
    let (first, second) = (market.vendor().await, market.vendor().await);
    let products = [
        market.product(first, 500, 200).await,
        market.product(first, 300, 200).await,
        market.product(second, 100, 200).await,
    ];
    let policies = ["reject_line", "fill", "reject_vendor", "all_or_nothing"];
    let mut requests = Vec::new();
    for (nr, policy) in (0..60).zip(policies.into_iter().cycle()) {
        let client = world.client(&market.buyer().await);
        let qty = 1 + nr % 7;
        let lines = products.map(|product| (product, qty));
        let cart_id = client.freeze(&cart_of(&lines)).await;

        let body = json!({ "cart_id": cart_id, "shortage_policy": policy });
        requests.push((policy, client.checkout_request(&fresh_key(), &body)));
    }
    for (product, left) in products.iter().zip([60, 90, 120]) {
        market.stock(*product, left).await;
    }

    let (asked, requests): (Vec<_>, Vec<_>) = requests.into_iter().unzip();
    let replies = together(requests).await;

    let mut refused = 0;
    for (policy, reply) in asked.iter().zip(&replies) {
        if reply.status == 409 {
            assert_eq!(
                (*policy, reply.code().as_str()),
                ("all_or_nothing", "STOCK_CHANGED")
            );
            refused += 1;
            continue;
        }
        assert_eq!(reply.status, 201, "{}", reply.text());
        let data = reply.data();
        for order in data["vendor_orders"].as_array().unwrap() {
            let lines = order["items"].as_array().unwrap();
            let rejected = lines
                .iter()
                .filter(|line| line["status"] == "rejected")
                .count();
            match *policy {
                "all_or_nothing" => assert_eq!(rejected, 0),
                "reject_vendor" => assert!(rejected == 0 || rejected == lines.len()),
                _ => {}
            }
        }
    }
    assert!(refused > 0, "there was too little for all");
    for (product, stocked) in products.iter().zip([60, 90, 120]) {
        let (available, reserved) = market.stock_of(*product).await;
        assert_eq!(available + reserved, stocked);
    }
    assert_consistent(&market.database).await;
}

/// In one transaction, first come, first served: a refused checkout takes nothing from the others,
/// before or behind.
#[tokio::test]
async fn a_refused_member_of_a_batch_harms_no_other() {
    let settings = patient(&[
        ("SPLITCART_TRANSACTIONS_IN_FLIGHT", "1"),
        ("SPLITCART_TRANSACTIONS_OVERDUE_MAX", "0"),
        LONG_LOCKS,
        ("SPLITCART_HTTP_WORKERS", "1"),
    ]);
    let world = World::with_settings(&settings).await;
    let market = &world.market;
    let blocker = market.sold_product(500, 10).await;
    let cart = cart_of(&[(blocker, 1)]);
    let first = Shopper::with_cart(market, &world.server, &cart).await;
    let vendor = market.vendor().await;
    let scarce = market.product(vendor, 500, 100).await;
    let plenty = market.product(vendor, 300, 100).await;
    let asked = [
        ("fill", 4, "201: pending 4, pending 1"),
        ("all_or_nothing", 9, "409"),
        ("reject_vendor", 9, "201: rejected 9, rejected 1"),
        ("reject_line", 9, "201: rejected 9, pending 1"),
        ("all_or_nothing", 2, "201: pending 2, pending 1"),
        ("fill", 9, "201: pending 4, rejected 5, pending 1"),
        ("all_or_nothing", 1, "409"),
    ];
    let mut requests = Vec::new();
    for (policy, qty, _) in asked {
        let client = world.client(&market.buyer().await);
        let cart_id = client.freeze(&cart_of(&[(scarce, qty), (plenty, 1)])).await;
        let body = json!({ "cart_id": cart_id, "shortage_policy": policy });
        requests.push(client.checkout_request(&fresh_key(), &body));
    }
    market.stock(scarce, 10).await;
    let held = market.hold_stock(blocker).await;
    let waiting_first = tokio::spawn(Client::send(first.request()));
    market.until_a_checkout_waits_for_a_lock().await;

    let mut sent = Vec::new();
    for (request, waiting) in requests.into_iter().zip(1..) {
        sent.push(tokio::spawn(Client::send(request)));
        wait::until("it is the last one in the queue", async || {
            let depth = "splitcart_coordinator_mailbox_depth";
            world.server.metric(depth).await == f64::from(waiting)
        })
        .await;
        // It is counted just before it is handed over. The one worker has done both when it answers again.
        assert_eq!(world.client(&first.buyer).get_cart().await.status, 200);
    }
    held.rollback().await.unwrap();

    assert_eq!(waiting_first.await.unwrap().status, 201);
    for (reply, (policy, qty, expected)) in sent.into_iter().zip(asked) {
        let reply = reply.await.unwrap();
        let mut came = reply.status.to_string();
        if reply.status == 201 {
            let lines = Wanting::lines(&reply).into_iter();
            let lines: Vec<_> = lines
                .map(|(qty, _, status)| format!("{status} {qty}"))
                .collect();
            came = format!("{came}: {}", lines.join(", "));
        }
        assert_eq!(came, expected, "{policy} {qty}");
    }
    let batches = world.server.metric("splitcart_batch_size_count").await;
    assert_eq!(batches, 2.0);
    assert_eq!(market.stock_of(scarce).await, (0, 10));
    assert_consistent(&market.database).await;
}
