//! Crowds: one key, one cart or one product, wanted by many at once.

use serde_json::{Value, json};

use crate::support::{
    Product, Reply, Shopper, World, assert_consistent,
    client::fresh_key,
    crowd::{check_out_together, is_in_progress, line_statuses, together},
    market::cart_of,
    patience::{LONG_LOCKS, PATIENT, patient},
    wait,
};

/// PF-081: one group; every other request gets the bytes of its answer, or is asked to come back.
#[tokio::test]
async fn fifty_requests_with_one_key_buy_once() {
    let world = World::with_settings(&PATIENT).await;
    let product = world.market.sold_product(500, 100).await;
    let cart = cart_of(&[(product, 2)]);
    let shopper = Shopper::with_cart(&world.market, &world.server, &cart).await;

    let replies = together((0..50).map(|_| shopper.request())).await;

    let (answered, waiting): (Vec<_>, Vec<_>) =
        replies.iter().partition(|reply| reply.status == 201);
    assert!(waiting.iter().all(|reply| is_in_progress(reply)));
    assert!(
        waiting
            .iter()
            .all(|it| !it.header("retry-after").is_empty())
    );
    let firsts: Vec<_> = answered.iter().filter(|it| !it.is_replay()).collect();
    assert_eq!(firsts.len(), 1, "one request did the work");
    assert!(answered.iter().all(|it| it.bytes == firsts[0].bytes));
    let later = shopper.check_out().await;
    assert!(later.is_replay() && later.bytes == firsts[0].bytes);
    let groups = "select count(*) from checkout_groups";
    assert_eq!(world.market.database.count(groups).await, 1);
    assert_eq!(world.market.stock_of(product).await, (98, 2));
    assert_consistent(&world.market.database).await;
}

/// PF-080: a cart is converted once, whichever member asks under whichever key.
#[tokio::test]
async fn fifty_checkouts_of_one_cart_with_different_keys_buy_once() {
    let world = World::with_settings(&PATIENT).await;
    let product = world.market.sold_product(500, 100).await;
    let cart = cart_of(&[(product, 2)]);
    let shopper = Shopper::with_cart(&world.market, &world.server, &cart).await;
    let rivals = (0..50).map(|_| Shopper {
        key: fresh_key(),
        ..shopper.clone()
    });

    let replies = check_out_together(&rivals.collect::<Vec<_>>()).await;

    let (bought, refused): (Vec<_>, Vec<_>) = replies.iter().partition(|it| it.status == 201);
    assert_eq!((bought.len(), refused.len()), (1, 49));
    let group_id = &bought[0].data()["checkout_group_id"];
    for reply in refused {
        assert_eq!(
            (reply.status, reply.code().as_str()),
            (409, "CART_ALREADY_CONVERTED")
        );
        assert_eq!(
            &reply.json()["error"]["details"]["checkout_group_id"],
            group_id
        );
    }
    assert_eq!(world.market.stock_of(product).await, (98, 2));
    assert_consistent(&world.market.database).await;
}

/// PF-079: exactly the available units are sold, in batches and one by one.
#[tokio::test]
async fn ten_units_and_fifty_buyers_sell_ten_units() {
    for batch_max in ["32", "1"] {
        let settings = patient(&[("SPLITCART_BATCH_MAX", batch_max)]);
        let world = World::with_settings(&settings).await;
        let product = world.market.sold_product(500, 10).await;
        let carts = vec![cart_of(&[(product, 1)]); 50];
        let shoppers = Shopper::with_carts(&world.market, &world.server, &carts).await;

        let replies = check_out_together(&shoppers).await;

        let lines: Vec<_> = replies.iter().flat_map(line_statuses).collect();
        let count = |status| lines.iter().filter(|it| *it == status).count();
        assert_eq!((count("pending"), count("rejected")), (10, 40));
        assert_eq!(world.market.stock_of(product).await, (0, 10));
        assert_consistent(&world.market.database).await;
        let batches = world.server.metric("splitcart_batch_size_count").await;
        let checkouts = world.server.metric("splitcart_batch_size_sum").await;
        assert_eq!(checkouts, 50.0);
        if batch_max == "1" {
            assert_eq!(batches, 50.0, "one transaction for each");
        } else {
            assert!(batches < 50.0, "some shared a transaction");
        }
    }
}

/// PF-079: first come, first served, and a buyer who needs less may still be served: exactly the same
/// whether or not the checkouts share a transaction.
#[tokio::test]
async fn a_scarce_product_goes_to_the_first_whose_quantity_fits() {
    for batch_max in ["32", "1"] {
        let settings = patient(&[
            ("SPLITCART_BATCH_MAX", batch_max),
            ("SPLITCART_TRANSACTIONS_IN_FLIGHT", "1"),
            ("SPLITCART_TRANSACTIONS_OVERDUE_MAX", "0"),
            LONG_LOCKS,
        ]);
        let world = World::with_settings(&settings).await;
        let scarce = world.market.sold_product(500, 10).await;
        let carts = [6, 7, 3, 2, 1, 1].map(|qty| cart_of(&[(scarce, qty)]));
        let shoppers = Shopper::with_carts(&world.market, &world.server, &carts).await;

        let replies = queue_up_in_order(&world, &shoppers).await;

        let outcome = |reply: &Reply| {
            let item = &reply.data()["vendor_orders"][0]["items"][0];
            item["rejection"]["available_qty"].as_i64()
        };
        let outcomes: Vec<_> = replies.iter().map(outcome).collect();
        // 6 leave 4; 7 are too many; 3 leave 1; 2 are too many; 1 leaves none.
        let expected = [None, Some(4), None, Some(1), None, Some(0)];
        assert_eq!(outcomes, expected, "batch_max {batch_max}");
        assert_eq!(world.market.stock_of(scarce).await, (0, 10));
        let batches = world.server.metric("splitcart_batch_size_count").await;
        let expected = if batch_max == "1" { 7.0 } else { 2.0 };
        assert_eq!(batches, expected, "the decoy, then all six or one by one");
        assert_consistent(&world.market.database).await;
    }
}

/// Lets a decoy occupy the only transaction, queues the shoppers up one after the other, and lets
/// the decoy go.
async fn queue_up_in_order(world: &World, shoppers: &[Shopper]) -> Vec<Reply> {
    let decoy = world.market.sold_product(100, 10).await;
    let cart = cart_of(&[(decoy, 1)]);
    let holder = Shopper::with_cart(&world.market, &world.server, &cart).await;
    let held = world.market.hold_stock(decoy).await;
    let blocked = tokio::spawn(async move { holder.check_out().await });
    world.market.until_a_checkout_waits_for_a_lock().await;
    let mut queued = Vec::new();
    for shopper in shoppers {
        let shopper = shopper.clone();
        queued.push(tokio::spawn(async move { shopper.check_out().await }));
        wait::until("the shopper is in the queue", async || {
            let depth = "splitcart_coordinator_mailbox_depth";
            world.server.metric(depth).await == queued.len() as f64
        })
        .await;
    }
    held.rollback().await.unwrap();
    assert_eq!(blocked.await.unwrap().status, 201);
    let mut replies = Vec::new();
    for reply in queued {
        replies.push(reply.await.unwrap());
    }
    replies
}

/// PF-079: mixed quantities in a crowd: never oversold, and no checkout is rejected that would have
/// fitted into the remaining stock.
#[tokio::test]
async fn a_hot_product_with_mixed_quantities_leaves_nothing_that_a_rejected_buyer_could_use() {
    let world = World::with_settings(&PATIENT).await;
    let hot = world.market.sold_product(250, 100).await;
    let quantities: Vec<i32> = (0..48).map(|nr| [1, 7, 3, 12][nr % 4]).collect();
    let carts: Vec<_> = quantities
        .iter()
        .map(|qty| cart_of(&[(hot, *qty)]))
        .collect();
    let shoppers = Shopper::with_carts(&world.market, &world.server, &carts).await;

    let replies = check_out_together(&shoppers).await;

    let (left, reserved) = world.market.stock_of(hot).await;
    assert_eq!(left + reserved, 100);
    let mut sold = 0;
    for (reply, qty) in replies.iter().zip(&quantities) {
        if line_statuses(reply) == ["pending"] {
            sold += qty;
        } else {
            assert!(*qty > left, "{qty} were refused and {left} are left");
        }
    }
    assert_eq!(sold, reserved);
    assert_consistent(&world.market.database).await;
}

/// PF-075, PF-080: a PUT that races with the checkout of its cart comes wholly before it, or starts
/// a new cart.
#[tokio::test]
async fn a_put_that_races_with_a_checkout_comes_before_it_or_starts_a_new_cart() {
    let world = World::with_settings(&PATIENT).await;
    let client = world.client(&world.market.buyer().await);
    let vendor = world.market.vendor().await;
    let first = world.market.product(vendor, 500, 100_000).await;
    let second = world.market.product(vendor, 300, 100_000).await;
    let third = world.market.sold_product(200, 100_000).await;
    let old = cart_of(&[(first, 1), (second, 1)]);
    let new = cart_of(&[(second, 2), (third, 2), (first, 2)]);
    let (mut before, mut after) = (0, 0);
    for round in 0..60 {
        let cart_id = client.freeze(&old).await;
        // The PUT and the checkout start first in turn, with a different delay each time, so that they
        // meet at different points.
        let start = std::time::Duration::from_micros(400 * (round / 2));
        let (put_start, checkout_start) = if round % 2 == 0 {
            (start, std::time::Duration::ZERO)
        } else {
            (std::time::Duration::ZERO, start)
        };

        let (put_key, checkout_key) = (fresh_key(), fresh_key());
        let put = async {
            tokio::time::sleep(put_start).await;
            client.put_cart(&put_key, &new).await
        };
        let checkout = async {
            tokio::time::sleep(checkout_start).await;
            client.check_out(&checkout_key, cart_id).await
        };
        let (put, bought) = tokio::join!(put, checkout);

        assert_eq!((put.status, bought.status), (200, 201), "{}", put.text());
        let (put, lines) = (put.data(), lines_of(&bought.data()));
        if put["id"] == json!(cart_id) {
            before += 1;
            assert_eq!(lines, lines_of_cart(&[(first, 2), (second, 2), (third, 2)]));
            assert_eq!(client.get_cart().await.status, 404);
        } else {
            after += 1;
            assert_eq!(lines, lines_of_cart(&[(first, 1), (second, 1)]));
            assert_eq!(put["version"], 1);
            assert_eq!(client.get_cart().await.data()["id"], put["id"]);
        }
    }
    assert!(before > 0 && after > 0, "{before} before, {after} after");
    assert_consistent(&world.market.database).await;
}

/// Product and quantity of every line that was bought.
fn lines_of(checkout: &Value) -> Vec<(String, i64)> {
    let orders = checkout["vendor_orders"].as_array().unwrap().iter();
    let mut lines: Vec<_> = orders
        .flat_map(|order| order["items"].as_array().unwrap())
        .map(|item| {
            let product = item["product_id"].as_str().unwrap().to_owned();
            (product, item["qty"].as_i64().unwrap())
        })
        .collect();
    lines.sort_unstable();
    lines
}

fn lines_of_cart(lines: &[(Product, i64)]) -> Vec<(String, i64)> {
    let mut lines: Vec<_> = lines
        .iter()
        .map(|(product, qty)| (product.id.to_string(), *qty))
        .collect();
    lines.sort_unstable();
    lines
}
