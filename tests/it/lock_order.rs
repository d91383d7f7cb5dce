//! Carts whose vendors cross: all checkouts take locks in one order, in one process and in two.

use crate::support::{
    Product, Server, Shopper, World, assert_consistent,
    crowd::{check_out_together, line_statuses, together},
    market::cart_of,
    patience::{PATIENT, patient},
};

const ROUNDS: usize = 4;
const BUYERS: usize = 24;

/// Clients open more connections than they need in the first round and use them in a later one, which on a busy
/// machine comes after the usual time for a first head.
const LATE_HEADS: (&str, &str) = ("SPLITCART_HTTP_HEAD_MS_MAX", "60000");

/// PF-079, PF-080: pairs (A,B)/(B,A) and cycles (A,B), (B,C), (C,A), over and over.
#[tokio::test]
async fn carts_that_cross_or_form_cycles_never_deadlock() {
    for batch_max in ["1", "8"] {
        let settings = patient(&[
            LATE_HEADS,
            ("SPLITCART_BATCH_MAX", batch_max),
            ("SPLITCART_TRANSACTIONS_IN_FLIGHT", "6"),
        ]);
        let world = World::with_settings(&settings).await;
        let products = three_products(&world).await;
        for round in 0..ROUNDS {
            let shoppers = crossing_shoppers(&world, &products, round).await;

            let replies = check_out_together(&shoppers).await;

            for reply in &replies {
                assert_eq!(line_statuses(reply), ["pending", "pending"]);
            }
        }
        assert_no_deadlock(&world.server);
        let retries = world.server.metric("splitcart_batch_retries").await;
        assert_eq!(retries, 0.0, "{:#?}", failures(&world.server));
        assert_each_bought(&world, &products, ROUNDS * BUYERS).await;
    }
}

fn failures(server: &Server) -> Vec<String> {
    let log = server.log().into_iter();
    log.filter(|line| line.contains("failed")).collect()
}

/// PF-079, PF-080: the order of locks holds across instances, which do not communicate.
#[tokio::test]
async fn two_instances_on_one_database_neither_deadlock_nor_oversell() {
    let settings = patient(&[
        LATE_HEADS,
        ("SPLITCART_BATCH_MAX", "8"),
        ("SPLITCART_TRANSACTIONS_IN_FLIGHT", "4"),
        ("SPLITCART_DATABASE_POOL_PER_WORKER", "4"),
    ]);
    let world = World::with_settings(&settings).await;
    let (database_url, redis_url) = (&world.market.database.url, &world.redis.url);
    let other = Server::start(database_url, redis_url, &settings).await;
    let products = three_products(&world).await;
    for round in 0..ROUNDS {
        let mut shoppers = crossing_shoppers(&world, &products, round).await;
        let scarce = world.market.sold_product(100, 4).await;
        let wanted = vec![cart_of(&[(scarce, 1)]); 10];
        shoppers.extend(Shopper::with_carts(&world.market, &world.server, &wanted).await);
        let elsewhere = |(nr, shopper): (usize, &Shopper)| {
            if nr % 2 == 0 {
                shopper.at(&other).request()
            } else {
                shopper.request()
            }
        };

        let replies = together(shoppers.iter().enumerate().map(elsewhere)).await;

        assert!(replies.iter().all(|reply| reply.status == 201));
        assert_eq!(world.market.stock_of(scarce).await, (0, 4));
        // Each buyer gets the same bytes from the other instance.
        for (nr, (reply, shopper)) in replies.iter().zip(&shoppers).enumerate().take(4) {
            let there = if nr % 2 == 0 {
                shopper.clone()
            } else {
                shopper.at(&other)
            };
            let replay = there.check_out().await;
            assert!(replay.is_replay() && replay.bytes == reply.bytes);
        }
    }
    for server in [&world.server, &other] {
        assert_no_deadlock(server);
        assert!(server.metric("splitcart_batch_size_count").await > 0.0);
    }
    assert_each_bought(&world, &products, ROUNDS * BUYERS).await;
}

/// PF-081: where Redis can't arbitrate between two instances, PostgreSQL does.
#[tokio::test]
async fn one_key_at_two_instances_without_redis_buys_once() {
    let mut world = World::with_settings(&PATIENT).await;
    let (database_url, redis_url) = (&world.market.database.url, &world.redis.url);
    let other = Server::start(database_url, redis_url, &PATIENT).await;
    let product = world.market.sold_product(100, 10).await;
    let cart = cart_of(&[(product, 2)]);
    let shopper = Shopper::with_cart(&world.market, &world.server, &cart).await;
    world.redis.kill().await;

    let requests = (0..20).map(|nr| match nr % 2 {
        0 => shopper.request(),
        _ => shopper.at(&other).request(),
    });
    let replies = together(requests).await;

    assert!(replies.iter().all(|reply| reply.status == 201));
    assert!(replies.iter().all(|reply| reply.bytes == replies[0].bytes));
    assert_eq!(replies.iter().filter(|it| !it.is_replay()).count(), 1);
    assert_eq!(world.market.stock_of(product).await, (8, 2));
    assert_consistent(&world.market.database).await;
}

async fn three_products(world: &World) -> [Product; 3] {
    [
        world.market.sold_product(500, 10_000).await,
        world.market.sold_product(300, 10_000).await,
        world.market.sold_product(200, 10_000).await,
    ]
}

/// Every ordered pair of the three, repeatedly, starting elsewhere in each round.
async fn crossing_shoppers(world: &World, [a, b, c]: &[Product; 3], round: usize) -> Vec<Shopper> {
    let pairs = [(a, b), (b, a), (b, c), (c, b), (c, a), (a, c)];
    let cart = |nr: usize| {
        let (first, second) = pairs[(nr + round) % pairs.len()];
        cart_of(&[(*first, 1), (*second, 1)])
    };
    let carts: Vec<_> = (0..BUYERS).map(cart).collect();
    Shopper::with_carts(&world.market, &world.server, &carts).await
}

fn assert_no_deadlock(server: &Server) {
    let log = server.log().join("\n");
    assert!(!log.contains("deadlock"), "{log}");
}

/// Two of the three products in each cart, each as often as the others.
async fn assert_each_bought(world: &World, products: &[Product; 3], carts: usize) {
    let each = i32::try_from(carts * 2 / 3).unwrap();
    for product in products {
        let stock = world.market.stock_of(*product).await;
        assert_eq!(stock, (10_000 - each, each));
    }
    assert_consistent(&world.market.database).await;
}
