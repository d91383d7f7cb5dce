//! Reading purchases: pages of orders, one order, by its buyer and by its vendor.

use std::collections::HashSet;

use reqwest::Method;
use serde_json::{Value, json};
use splitcart::{
    db::orders::{Position, Walk, find_page},
    domain::{caller::Perspective, order::OrderStatus},
};
use uuid::Uuid;

use crate::support::{
    Buyer, Client, Market, Product, Reply, World, client::fresh_key, market::cart_of, wait,
};

/// Buys one unit of each product, `times` times.
async fn buy(client: &Client, products: &[Product], times: usize) {
    let lines: Vec<_> = products.iter().map(|product| (*product, 1)).collect();
    for _ in 0..times {
        let cart_id = client.freeze(&cart_of(&lines)).await;
        let reply = client.check_out(&fresh_key(), cart_id).await;
        assert_eq!(reply.status, 201, "{}", reply.text());
    }
}

/// A person who works for the vendor.
async fn worker_of(market: &Market, product: Product, role: &str) -> Buyer {
    let shop = Buyer {
        user_id: Uuid::now_v7(),
        store_id: product.vendor.store_id,
    };
    market.colleague(&shop, role).await
}

fn ids(reply: &Reply) -> Vec<String> {
    assert_eq!(reply.status, 200, "{}", reply.text());
    let orders = reply.data();
    let orders = orders.as_array().unwrap().iter();
    orders
        .map(|order| order["order_id"].as_str().unwrap().to_owned())
        .collect()
}

fn next_cursor(reply: &Reply) -> Option<String> {
    let cursor = reply.json()["page"]["next_cursor"].clone();
    cursor.as_str().map(str::to_owned)
}

/// The number of orders on each page of a walk that looks at up to `rows_max` orders for each.
async fn pages(world: &World, buyer: &Buyer, status: OrderStatus, rows_max: usize) -> Vec<usize> {
    let mut connection = world.market.database.pool.acquire().await.unwrap();
    let mut behind = Position::START;
    let mut pages = Vec::new();
    loop {
        let walk = Walk {
            behind,
            limit: 2,
            rows_max,
        };
        let perspective = Perspective::Buyer(buyer.store_id.into());
        let page = find_page(&mut connection, perspective, Some(status), walk);
        let page = page.await.unwrap();
        pages.push(page.orders.len());
        match page.next {
            Some(next) => behind = next,
            None => return pages,
        }
    }
}

/// No request walks through all orders to find a few of a rare status, or none: a page ends when enough
/// orders were looked at, and the next page goes on there.
#[tokio::test]
async fn a_rare_status_is_looked_for_a_part_at_a_time() {
    let world = World::start().await;
    let buyer = world.market.buyer().await;
    let client = world.client(&buyer);
    // Two orders of each checkout were placed at the same time.
    let products = [
        world.market.sold_product(500, 90).await,
        world.market.sold_product(500, 90).await,
    ];
    buy(&client, &products, 5).await;

    let none = pages(&world, &buyer, OrderStatus::Canceled, 4).await;
    let all = pages(&world, &buyer, OrderStatus::CreatedPending, 4).await;

    // A page ends early rather than between orders of the same time.
    assert!(none.len() > 2, "{none:?}");
    assert_eq!(none.iter().sum::<usize>(), 0, "{none:?}");
    assert_eq!(all, [2; 5]);
    let one = "update vendor_orders set status = 'canceled'
        where id = (select id from vendor_orders order by created_at, id limit 1)";
    world.market.database.run(one).await;
    let rare = pages(&world, &buyer, OrderStatus::Canceled, 4).await;
    assert_eq!(rare.iter().sum::<usize>(), 1, "{rare:?}");
    assert_eq!(read_all(&client, "status=canceled&limit=2").await.len(), 1);
}

/// All ids, read page by page.
async fn read_all(client: &Client, query: &str) -> Vec<String> {
    let mut all = Vec::new();
    let mut path = format!("/api/v1/orders?{query}");
    loop {
        let page = client.get(&path).await;
        all.extend(ids(&page));
        match next_cursor(&page) {
            Some(cursor) => path = format!("/api/v1/orders?{query}&cursor={cursor}"),
            None => return all,
        }
    }
}

#[tokio::test]
async fn a_buyer_and_a_vendor_see_an_order_as_it_was_placed() {
    let world = World::start().await;
    let buyer = world.market.buyer().await;
    let client = world.client(&buyer);
    let product = world.market.sold_product(500, 10).await;
    let cart_id = client.freeze(&cart_of(&[(product, 2)])).await;
    let bought = client.check_out(&fresh_key(), cart_id).await.data();
    let vendor = world.client(&worker_of(&world.market, product, "staff").await);

    let listed = client.get("/api/v1/orders").await;

    let mut expected = bought["vendor_orders"][0].clone();
    let id = expected["order_id"].as_str().unwrap().to_owned();
    for (name, value) in [
        ("rejection_reason", json!(null)),
        ("checkout_group_id", bought["checkout_group_id"].clone()),
        ("buyer_store_id", json!(buyer.store_id)),
        ("buyer_name", json!(format!("Store {}", buyer.store_id))),
        ("currency", json!("USD")),
        ("created_at", bought["created_at"].clone()),
        ("updated_at", bought["created_at"].clone()),
    ] {
        expected[name] = value;
    }
    assert_eq!(listed.data(), json!([expected]));
    assert_eq!(listed.json()["page"], json!({ "next_cursor": null }));
    for reader in [&client, &vendor] {
        let alone = reader.get(&format!("/api/v1/orders/{id}")).await;
        assert_eq!((alone.status, alone.data()), (200, expected.clone()));
        assert_eq!(ids(&reader.get("/api/v1/orders").await), [id.as_str()]);
    }
}

#[tokio::test]
async fn other_stores_orders_are_not_found() {
    let world = World::start().await;
    let market = &world.market;
    let client = world.client(&market.buyer().await);
    let (product, other) = (
        market.sold_product(500, 10).await,
        market.sold_product(500, 10).await,
    );
    buy(&client, &[product], 1).await;
    let id = ids(&client.get("/api/v1/orders").await).remove(0);
    let other_buyer = world.client(&market.buyer().await);
    let other_vendor = world.client(&worker_of(market, other, "owner").await);
    for stranger in [&other_buyer, &other_vendor] {
        let reply = stranger.get(&format!("/api/v1/orders/{id}")).await;
        assert_eq!((reply.status, reply.code().as_str()), (404, "NOT_FOUND"));
        assert_eq!(ids(&stranger.get("/api/v1/orders").await), [""; 0]);
    }
    let nobody = format!("/api/v1/orders/{}", Uuid::now_v7());
    assert_eq!(client.get(&nobody).await.status, 404);
}

#[tokio::test]
async fn a_perspective_that_the_store_does_not_have_is_forbidden() {
    let world = World::start().await;
    let buyer = world.client(&world.market.buyer().await);
    let product = world.market.sold_product(500, 10).await;
    let vendor = world.client(&worker_of(&world.market, product, "viewer").await);
    buy(&buyer, &[product], 1).await;
    for (reader, own, other) in [(&buyer, "buyer", "vendor"), (&vendor, "vendor", "buyer")] {
        let list = async |side: &str| {
            let path = format!("/api/v1/orders?perspective={side}");
            reader.get(&path).await
        };
        assert_eq!(ids(&list(own).await).len(), 1);
        assert_eq!(list(other).await.code(), "FORBIDDEN");
    }
    // A vendor whose licence has ended still has orders to fulfil; a removed member sees nothing.
    world.market.lapse_licence(product.vendor.store_id).await;
    assert_eq!(ids(&vendor.get("/api/v1/orders").await).len(), 1);
    let remove = "update store_memberships set status = 'removed'";
    world.market.database.run(remove).await;
    for reader in [&buyer, &vendor] {
        assert_eq!(reader.get("/api/v1/orders").await.code(), "FORBIDDEN");
        let path = format!("/api/v1/orders/{}", Uuid::now_v7());
        assert_eq!(reader.get(&path).await.code(), "FORBIDDEN");
    }
}

/// Orders of one checkout were placed at one moment, and are listed by their ids.
#[tokio::test]
async fn pages_of_any_size_show_every_order_once_newest_first() {
    let world = World::start().await;
    let client = world.client(&world.market.buyer().await);
    let mut products = Vec::new();
    for _ in 0..3 {
        products.push(world.market.sold_product(500, 90).await);
    }
    buy(&client, &products, 4).await;
    let query = "select id::text from vendor_orders order by created_at desc, id desc";
    let expected: Vec<String> = sqlx::query_scalar(query)
        .fetch_all(&world.market.database.pool)
        .await
        .unwrap();
    for limit in [1, 2, 3, 5, 11, 12, 13, 100] {
        let read = read_all(&client, &format!("limit={limit}")).await;
        assert_eq!(read, expected, "{limit} at a time");
    }
    // A page has twenty orders by default.
    assert_eq!(ids(&client.get("/api/v1/orders").await).len(), 12);
}

/// An order that is placed while a list is read comes before the orders already read, and moves none of
/// them.
#[tokio::test]
async fn orders_placed_meanwhile_neither_hide_nor_repeat_any() {
    let world = World::start().await;
    let client = world.client(&world.market.buyer().await);
    let product = world.market.sold_product(500, 90).await;
    buy(&client, &[product], 6).await;
    let before: Vec<_> = read_all(&client, "limit=100").await;
    let mut read = Vec::new();
    let mut path = "/api/v1/orders?limit=2".to_owned();
    loop {
        let page = client.get(&path).await;
        read.extend(ids(&page));
        buy(&client, &[product], 1).await;
        match next_cursor(&page) {
            Some(cursor) => path = format!("/api/v1/orders?limit=2&cursor={cursor}"),
            None => break,
        }
    }
    assert_eq!(read, before);
    assert_eq!(read_all(&client, "limit=100").await.len(), 9);
}

#[tokio::test]
async fn a_status_filters_every_page() {
    let world = World::start().await;
    let client = world.client(&world.market.buyer().await);
    let product = world.market.sold_product(500, 90).await;
    buy(&client, &[product], 6).await;
    let all = read_all(&client, "limit=100").await;
    for id in [&all[1], &all[4]] {
        let ship = format!("update vendor_orders set status = 'in_transit' where id = '{id}'");
        world.market.database.run(&ship).await;
    }
    let shipped = read_all(&client, "status=in_transit&limit=1").await;
    assert_eq!(shipped, [all[1].clone(), all[4].clone()]);
    let left = read_all(&client, "status=created_pending&limit=3").await;
    assert_eq!(left.iter().collect::<HashSet<_>>().len(), 4);
    assert_eq!(read_all(&client, "status=expired").await, [""; 0]);
}

#[tokio::test]
async fn a_bad_query_is_refused_with_every_problem() {
    let world = World::start().await;
    let client = world.client(&world.market.buyer().await);
    for (query, fields) in [
        ("limit=0", vec!["limit"]),
        ("limit=101", vec!["limit"]),
        ("limit=ten", vec!["limit"]),
        ("limit=005", vec!["limit"]),
        ("limit=%2B5", vec!["limit"]),
        ("limit=", vec!["limit"]),
        ("limit=1&limit=2", vec!["limit"]),
        ("status=gone", vec!["status"]),
        ("perspective=owner", vec!["perspective"]),
        ("cursor=x", vec!["cursor"]),
        ("cursor=%ff%00", vec!["cursor"]),
        ("page=2", vec!["page"]),
        ("Limit=2", vec!["Limit"]),
        (
            "colour=red&limit=0&status=&perspective=&cursor=",
            vec!["colour", "limit", "status", "perspective", "cursor"],
        ),
    ] {
        let reply = client.get(&format!("/api/v1/orders?{query}")).await;
        assert_eq!(
            (reply.status, reply.code().as_str()),
            (400, "VALIDATION_ERROR"),
            "{query}"
        );
        assert_eq!(
            reply.bad_fields().iter().collect::<HashSet<_>>(),
            fields
                .iter()
                .map(|it| (*it).to_owned())
                .collect::<Vec<_>>()
                .iter()
                .collect(),
            "{query}"
        );
    }
    for limit in [1, 100] {
        let path = format!("/api/v1/orders?limit={limit}");
        assert_eq!(client.get(&path).await.status, 200);
    }
}

/// The lookup that a connection makes when it meets a type for the first time must not count.
const ONE_CONNECTION: [(&str, &str); 3] = [
    ("SPLITCART_LOG_FILTER", "info,sqlx::query=debug"),
    ("SPLITCART_HTTP_WORKERS", "1"),
    ("SPLITCART_DATABASE_POOL_PER_WORKER", "1"),
];

/// A page takes as many statements for many orders with many lines as for one.
#[tokio::test]
async fn a_page_takes_a_fixed_number_of_statements() {
    let world = World::with_settings(&ONE_CONNECTION).await;
    let client = world.client(&world.market.buyer().await);
    let mut products = Vec::new();
    for _ in 0..4 {
        products.push(world.market.sold_product(500, 90).await);
    }
    buy(&client, &products, 5).await;
    // The first request opens the connection.
    statements_of_a_page(&world, &client, 1).await;
    let short = least_statements_of_a_page(&world, &client, 1).await;
    let long = least_statements_of_a_page(&world, &client, 20).await;
    assert_eq!(short.len(), long.len(), "{short:#?}\n{long:#?}");
    // The gate's statements, and three in a snapshot.
    assert!((4..=6).contains(&short.len()), "{short:#?}");
}

/// The statements of a page alone: those that the service sends beside a request, for its own work, come
/// in addition, and beside a few pages out of ten.
async fn least_statements_of_a_page(world: &World, client: &Client, limit: usize) -> Vec<String> {
    let mut least = statements_of_a_page(world, client, limit).await;
    for _ in 1..10 {
        let taken = statements_of_a_page(world, client, limit).await;
        if taken.len() < least.len() {
            least = taken;
        }
    }
    least
}

/// The statements that the service sends while it answers one page.
async fn statements_of_a_page(world: &World, client: &Client, limit: usize) -> Vec<String> {
    let before = statements(world).len();
    let id = format!("page-{}", Uuid::now_v7());
    let path = format!("/api/v1/orders?limit={limit}");
    let request = client.request(Method::GET, &path);
    let page = Client::send(request.header("X-Request-Id", &id)).await;
    assert_eq!(ids(&page).len(), limit);
    wait::until("the request is in the log", async || {
        world.server.log().iter().any(|line| line.contains(&id))
    })
    .await;
    statements(world)[before..].to_vec()
}

fn statements(world: &World) -> Vec<String> {
    let log = world.server.log().into_iter();
    log.filter(|line| line.contains("\"target\":\"sqlx::query\""))
        .collect()
}

/// An order without a reserved line gives a reason for the order as a whole.
#[tokio::test]
async fn a_rejected_order_says_why() {
    let world = World::start().await;
    let client = world.client(&world.market.buyer().await);
    let (gone, fine) = (
        world.market.sold_product(500, 10).await,
        world.market.sold_product(500, 10).await,
    );
    let cart_id = client.freeze(&cart_of(&[(gone, 1), (fine, 1)])).await;
    world.market.lapse_licence(gone.vendor.store_id).await;
    assert_eq!(client.check_out(&fresh_key(), cart_id).await.status, 201);

    let rejected = client.get("/api/v1/orders?status=rejected").await.data();

    let [order] = &rejected.as_array().unwrap()[..] else {
        panic!("{rejected}")
    };
    assert_eq!(order["vendor_store_id"], json!(gone.vendor.store_id));
    assert_eq!(order["rejection_reason"], "vendor_license_invalid");
    assert_eq!(order["payment_intent"], Value::Null);
}
