//! Stock that moves between being read and being reserved: rows are written as foreseen from the read
//! stock, and the answer is the actual reservation.

use serde_json::{Value, json};

use crate::support::{
    Client, Product, Reply, Shopper, World, assert_consistent,
    crowd::{line_statuses, together},
    market::{cart_of, stock_in},
    patience::{LONG_LOCKS, patient},
    wait,
};

/// One transaction at a time, which may wait for as long as the test needs.
const ONE_SLOT: [(&str, &str); 3] = [
    ("SPLITCART_TRANSACTIONS_IN_FLIGHT", "1"),
    ("SPLITCART_TRANSACTIONS_OVERDUE_MAX", "0"),
    LONG_LOCKS,
];

/// A checkout of four units of a product, and of one unit of another vendor's; the stock of the first
/// product moved during it.
struct Moved {
    world: World,
    shopper: Shopper,
    product: Product,
    reply: Reply,
}

/// Another session holds the row, so the checkout has read `from`, written everything and waits; then
/// the stock becomes `to`.
async fn check_out_while_stock_moves(from: i32, to: i32) -> Moved {
    let world = World::with_settings(&patient(&ONE_SLOT)).await;
    let product = world.market.sold_product(500, 10).await;
    let other = world.market.sold_product(100, 10).await;
    let cart = cart_of(&[(product, 4), (other, 1)]);
    let shopper = Shopper::with_cart(&world.market, &world.server, &cart).await;
    world.market.stock(product, from).await;
    let mut held = world.market.hold_stock(product).await;

    let waiting = tokio::spawn(Client::send(shopper.request()));
    world.market.until_a_checkout_waits_for_a_lock().await;
    stock_in(&mut held, product, to).await;
    held.commit().await.unwrap();
    let reply = waiting.await.unwrap();

    assert_eq!(reply.status, 201, "{}", reply.text());
    assert_eq!(world.market.stock_of(other).await, (9, 1));
    Moved {
        world,
        shopper,
        product,
        reply,
    }
}

impl Moved {
    /// The line whose stock moved: there is one order per vendor, so it is found by its product.
    fn line(&self) -> Value {
        let data = self.reply.data();
        let orders = data["vendor_orders"].as_array().unwrap().iter();
        let mut lines = orders.flat_map(|order| order["items"].as_array().unwrap());
        let product = json!(self.product.id);
        lines
            .find(|it| it["product_id"] == product)
            .unwrap()
            .clone()
    }

    /// Asserts the number of transactions that were started again, and that nothing remains of the
    /// first ones.
    async fn assert_begun_anew(&self, times: f64) {
        let Self { world, shopper, .. } = self;
        let moved = "splitcart_batch_stock_moved_total";
        assert_eq!(world.server.metric(moved).await, times);
        assert_eq!(world.server.metric("splitcart_batch_retries").await, 0.0);
        let again = shopper.check_out().await;
        assert!(again.is_replay() && again.bytes == self.reply.bytes);
        for (rows, count) in [
            ("select count(*) from checkout_groups", 1),
            ("select count(*) from vendor_orders", 2),
            ("select count(*) from order_line_items", 2),
            ("select count(*) from outbox_events", 1),
        ] {
            assert_eq!(world.market.database.count(rows).await, count, "{rows}");
        }
        assert_consistent(&world.market.database).await;
    }
}

/// PF-079
#[tokio::test]
async fn stock_that_went_meanwhile_rejects_the_line_with_what_is_left() {
    let moved = check_out_while_stock_moves(10, 3).await;

    let line = moved.line();
    assert_eq!(line["status"], "rejected");
    assert_eq!(line["rejection"]["reason"], "insufficient_inventory");
    assert_eq!(line["rejection"]["available_qty"], 3);
    assert_eq!(moved.reply.data()["total"], "1.00");
    let stock = moved.world.market.stock_of(moved.product).await;
    assert_eq!(stock, (3, 0));
    moved.assert_begun_anew(1.0).await;
}

#[tokio::test]
async fn stock_that_came_meanwhile_is_sold() {
    let moved = check_out_while_stock_moves(1, 9).await;

    assert_eq!(moved.line()["status"], "pending");
    assert_eq!(moved.reply.data()["total"], "21.00");
    assert_eq!(moved.reply.data()["rejected_vendors"], json!([]));
    let stock = moved.world.market.stock_of(moved.product).await;
    assert_eq!(stock, (5, 4));
    moved.assert_begun_anew(1.0).await;
}

#[tokio::test]
async fn a_line_that_is_short_before_and_after_says_what_there_is_now() {
    let moved = check_out_while_stock_moves(1, 2).await;

    assert_eq!(moved.line()["rejection"]["available_qty"], 2);
    let stock = moved.world.market.stock_of(moved.product).await;
    assert_eq!(stock, (2, 0));
    moved.assert_begun_anew(1.0).await;
}

#[tokio::test]
async fn stock_that_moves_without_changing_an_answer_costs_nothing() {
    let moved = check_out_while_stock_moves(10, 6).await;

    assert_eq!(moved.line()["status"], "pending");
    let stock = moved.world.market.stock_of(moved.product).await;
    assert_eq!(stock, (2, 4));
    moved.assert_begun_anew(0.0).await;
}

/// PF-079: first come, first served, by the actual stock.
#[tokio::test]
async fn a_batch_shares_what_is_left_in_the_order_of_arrival() {
    let world = World::with_settings(&patient(&ONE_SLOT)).await;
    let hot = world.market.sold_product(500, 10).await;
    let carts = vec![cart_of(&[(hot, 2)]); 4];
    let shoppers = Shopper::with_carts(&world.market, &world.server, &carts).await;
    // A decoy holds the only transaction until all four are in the queue.
    let decoy = world.market.sold_product(100, 10).await;
    let holder = Shopper::with_cart(&world.market, &world.server, &cart_of(&[(decoy, 1)])).await;
    let decoy_held = world.market.hold_stock(decoy).await;
    let blocked = tokio::spawn(Client::send(holder.request()));
    world.market.until_a_checkout_waits_for_a_lock().await;
    let requests: Vec<_> = shoppers.iter().map(Shopper::request).collect();
    let batch = tokio::spawn(together(requests));
    wait::until("all four wait", async || {
        let depth = "splitcart_coordinator_mailbox_depth";
        world.server.metric(depth).await == 4.0
    })
    .await;
    let mut held = world.market.hold_stock(hot).await;
    decoy_held.rollback().await.unwrap();
    assert_eq!(blocked.await.unwrap().status, 201);

    world.market.until_a_checkout_waits_for_a_lock().await;
    stock_in(&mut held, hot, 5).await;
    held.commit().await.unwrap();
    let replies = batch.await.unwrap();

    let (bought, rejected): (Vec<_>, Vec<_>) = replies
        .iter()
        .partition(|it| line_statuses(it) == ["pending"]);
    assert_eq!((bought.len(), rejected.len()), (2, 2));
    for reply in rejected {
        let line = &reply.data()["vendor_orders"][0]["items"][0];
        assert_eq!(line["rejection"]["available_qty"], 1);
    }
    assert_eq!(world.market.stock_of(hot).await, (1, 4));
    let moved = "splitcart_batch_stock_moved_total";
    assert_eq!(world.server.metric(moved).await, 1.0);
    assert_eq!(world.server.metric("splitcart_batch_retries").await, 0.0);
    assert_consistent(&world.market.database).await;
}
