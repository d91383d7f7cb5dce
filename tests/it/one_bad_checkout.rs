//! One bad checkout in a batch fails alone.

use crate::support::{
    Client, Shopper, World, assert_consistent,
    market::cart_of,
    patience::{LONG_LOCKS, patient},
    wait,
};

/// PF-080: the database refuses one line permanently; the other checkouts of its batch are carried out.
#[tokio::test]
async fn a_poison_checkout_fails_alone_and_the_others_of_its_batch_are_bought() {
    let settings = patient(&[
        ("SPLITCART_TRANSACTIONS_IN_FLIGHT", "1"),
        ("SPLITCART_TRANSACTIONS_OVERDUE_MAX", "0"),
        LONG_LOCKS,
    ]);
    let world = World::with_settings(&settings).await;
    let good = world.market.sold_product(500, 100).await;
    let poison = world.market.sold_product(300, 100).await;
    let refuse = format!(
        "alter table order_line_items
         add constraint order_line_items_test_poison check (product_id <> '{}')",
        poison.id
    );
    world.market.database.run(&refuse).await;
    // One poisoned cart in the middle; its good line must not be sold either.
    let carts: Vec<_> = (0..8)
        .map(|nr| match nr {
            4 => cart_of(&[(good, 1), (poison, 1)]),
            _ => cart_of(&[(good, 1)]),
        })
        .collect();
    let shoppers = Shopper::with_carts(&world.market, &world.server, &carts).await;
    // A decoy holds the only transaction until all eight are in the queue.
    let decoy = world.market.sold_product(100, 10).await;
    let holder = Shopper::with_cart(&world.market, &world.server, &cart_of(&[(decoy, 1)])).await;
    let held = world.market.hold_stock(decoy).await;
    let blocked = tokio::spawn(Client::send(holder.request()));
    world.market.until_a_checkout_waits_for_a_lock().await;
    let requests: Vec<_> = shoppers.iter().map(Shopper::request).collect();
    let batch = tokio::spawn(crate::support::crowd::together(requests));
    wait::until("all eight wait", async || {
        let depth = "splitcart_coordinator_mailbox_depth";
        world.server.metric(depth).await == 8.0
    })
    .await;
    held.rollback().await.unwrap();
    let replies = batch.await.unwrap();

    assert_eq!(blocked.await.unwrap().status, 201);
    world
        .server
        .until_logged("a batch of 8 checkouts failed")
        .await;
    for (nr, reply) in replies.iter().enumerate() {
        if nr == 4 {
            assert_eq!((reply.status, reply.code().as_str()), (500, "INTERNAL"));
            assert!(!reply.text().contains("poison"), "{}", reply.text());
        } else {
            assert_eq!((reply.status, reply.is_replay()), (201, false));
        }
    }
    assert_eq!(world.market.stock_of(good).await, (93, 7));
    assert_eq!(world.market.stock_of(poison).await, (100, 0));
    assert_consistent(&world.market.database).await;
    // With the constraint removed, the same key buys.
    let heal = "alter table order_line_items drop constraint order_line_items_test_poison";
    world.market.database.run(heal).await;
    assert_eq!(shoppers[4].check_out().await.status, 201);
    assert_consistent(&world.market.database).await;
}
