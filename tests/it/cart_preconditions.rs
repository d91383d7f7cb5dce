//! `ETag`, `If-Match` and `If-None-Match` of a cart: two editors of one cart lose nothing unnoticed.

use std::collections::BTreeSet;

use futures_util::future::join_all;
use serde_json::Value;

use crate::support::{
    Client, Reply, World, assert_consistent, client::fresh_key, crowd::together, market::cart_of,
};

const ACTIVE_CARTS: &str = "select count(*) from cart_records where status = 'active'";

async fn put_if(client: &Client, key: &str, cart: &Value, name: &str, value: &str) -> Reply {
    Client::send(client.put_cart_request(key, cart).header(name, value)).await
}

async fn put(client: &Client, cart: &Value) -> Reply {
    let reply = client.put_cart(&fresh_key(), cart).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    reply
}

/// The tag that a cart's answer must have.
fn tag_of(reply: &Reply) -> String {
    let data = reply.data();
    let tag = format!("\"{}.{}\"", data["id"].as_str().unwrap(), data["version"]);
    assert_eq!(reply.header("etag"), tag);
    tag
}

#[tokio::test]
async fn every_answer_of_a_cart_names_its_version_and_a_replay_that_of_the_first_answer() {
    let world = World::start().await;
    let client = world.client(&world.market.buyer().await);
    let cart = cart_of(&[(world.market.sold_product(500, 9).await, 1)]);
    let key = fresh_key();

    let first = client.put_cart(&key, &cart).await;
    let second = put(&client, &cart).await;

    let (first_tag, second_tag) = (tag_of(&first), tag_of(&second));
    assert_ne!(first_tag, second_tag);
    assert_eq!(tag_of(&client.get_cart().await), second_tag);
    for _ in ["Redis", "PostgreSQL"] {
        let again = client.put_cart(&key, &cart).await;
        assert!(again.is_replay());
        assert_eq!(
            (tag_of(&again), &again.bytes),
            (first_tag.clone(), &first.bytes)
        );
        world.redis.empty().await;
    }
}

#[tokio::test]
async fn a_put_goes_through_only_if_the_cart_is_what_its_sender_expects() {
    let world = World::start().await;
    let client = world.client(&world.market.buyer().await);
    let cart = cart_of(&[(world.market.sold_product(500, 9).await, 1)]);
    let old = tag_of(&put(&client, &cart).await);
    let now = tag_of(&put(&client, &cart).await);
    let weak = format!("W/{now}");
    let one_of = format!("\"x\", {old} ,{now}");
    let version_only = now.replace('"', "");
    let other_cart = format!("\"{}.2\"", uuid::Uuid::now_v7());
    let before = world.market.database.contents().await;

    for (name, value) in [
        ("If-Match", "\"nonsense\""),
        ("If-Match", old.as_str()),
        ("If-Match", weak.as_str()),
        ("If-Match", other_cart.as_str()),
        ("If-None-Match", "*"),
        ("If-None-Match", now.as_str()),
        ("If-None-Match", weak.as_str()),
    ] {
        let reply = put_if(&client, &fresh_key(), &cart, name, value).await;
        assert_eq!(reply.status, 412, "{name}: {value}: {}", reply.text());
        assert_eq!(reply.code(), "PRECONDITION_FAILED");
    }
    for (name, value) in [
        ("If-Match", ""),
        ("If-Match", "nonsense"),
        ("If-Match", version_only.as_str()),
        ("If-Match", "*, \"a\""),
        ("If-None-Match", "\"open"),
    ] {
        let reply = put_if(&client, &fresh_key(), &cart, name, value).await;
        assert_eq!(reply.status, 400, "{name}: {value}: {}", reply.text());
        assert_eq!(reply.bad_fields(), [name]);
    }
    let twice = client.put_cart_request(&fresh_key(), &cart);
    let twice = twice.header("If-Match", &now).header("If-Match", &now);
    assert_eq!(Client::send(twice).await.bad_fields(), ["If-Match"]);
    assert_eq!(world.market.database.contents().await, before);

    let mut version = 2;
    for (name, value) in [
        ("If-Match", "*"),
        ("If-None-Match", now.as_str()),
        ("If-None-Match", "\"nonsense\""),
    ] {
        let reply = put_if(&client, &fresh_key(), &cart, name, value).await;
        version += 1;
        assert_eq!(reply.status, 200, "{name}: {value}: {}", reply.text());
        assert_eq!(reply.data()["version"], version);
    }
    let now = tag_of(&client.get_cart().await);
    let reply = put_if(
        &client,
        &fresh_key(),
        &cart,
        "If-Match",
        &one_of.replace('x', &now[1..now.len() - 1]),
    )
    .await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    assert_consistent(&world.market.database).await;
}

#[tokio::test]
async fn without_a_cart_only_a_put_that_expects_none_goes_through() {
    let world = World::start().await;
    let client = world.client(&world.market.buyer().await);
    let cart = cart_of(&[(world.market.sold_product(500, 9).await, 1)]);
    for value in ["*", "\"any\""] {
        let reply = put_if(&client, &fresh_key(), &cart, "If-Match", value).await;
        assert_eq!(reply.code(), "PRECONDITION_FAILED");
    }
    assert_eq!(world.market.database.count(ACTIVE_CARTS).await, 0);

    let first = put_if(&client, &fresh_key(), &cart, "If-None-Match", "*").await;
    assert_eq!(first.status, 200, "{}", first.text());

    // A cart that was bought can't be changed any more.
    let tag = tag_of(&first);
    let id = first.data()["id"].as_str().unwrap().parse().unwrap();
    assert_eq!(client.check_out(&fresh_key(), id).await.status, 201);
    let reply = put_if(&client, &fresh_key(), &cart, "If-Match", &tag).await;
    assert_eq!(reply.code(), "PRECONDITION_FAILED");
    let next = put_if(&client, &fresh_key(), &cart, "If-None-Match", "*").await;
    assert_eq!((next.status, &next.data()["version"]), (200, &1.into()));
}

/// The rules come first: a cart that breaks them in any state is answered with the violations.
#[tokio::test]
async fn a_cart_that_breaks_rules_says_so_whatever_it_expects() {
    let world = World::start().await;
    let client = world.client(&world.market.buyer().await);
    let product = world.market.sold_product(500, 9).await;
    let cart = cart_of(&[(product, 99)]);

    let reply = put_if(&client, &fresh_key(), &cart, "If-Match", "\"any\"").await;

    assert_eq!(reply.violations(), ["insufficient_inventory"]);
}

#[tokio::test]
async fn a_retry_hears_its_first_answer_though_its_own_first_attempt_changed_the_cart() {
    let world = World::start().await;
    let client = world.client(&world.market.buyer().await);
    let cart = cart_of(&[(world.market.sold_product(500, 9).await, 1)]);
    let (none, seen) = (fresh_key(), fresh_key());

    let first = put_if(&client, &none, &cart, "If-None-Match", "*").await;
    let tag = tag_of(&first);
    let second = put_if(&client, &seen, &cart, "If-Match", &tag).await;

    for _ in ["Redis", "PostgreSQL"] {
        let again = put_if(&client, &none, &cart, "If-None-Match", "*").await;
        assert_eq!((again.status, &again.bytes), (200, &first.bytes));
        let again = put_if(&client, &seen, &cart, "If-Match", &tag).await;
        assert_eq!((again.status, &again.bytes), (200, &second.bytes));
        assert!(again.is_replay());
        world.redis.empty().await;
    }
    // A refusal leaves its key free.
    let key = fresh_key();
    let refused = put_if(&client, &key, &cart, "If-Match", &tag).await;
    assert_eq!(refused.status, 412);
    let tag = tag_of(&second);
    assert_eq!(
        put_if(&client, &key, &cart, "If-Match", &tag).await.status,
        200
    );
}

#[tokio::test]
async fn of_many_editors_who_saw_the_same_version_exactly_one_wins() {
    let world = World::start().await;
    let buyer = world.market.buyer().await;
    let client = world.client(&buyer);
    let product = world.market.sold_product(500, 99).await;
    let carts: Vec<_> = (1..=8).map(|qty| cart_of(&[(product, qty)])).collect();
    let mut tag = tag_of(&put(&client, &carts[0]).await);
    for round in 2..12 {
        let requests = carts.iter().map(|cart| {
            client
                .put_cart_request(&fresh_key(), cart)
                .header("If-Match", &tag)
        });

        let replies = together(requests).await;

        let (won, lost): (Vec<_>, Vec<_>) = replies.iter().partition(|it| it.status == 200);
        assert_eq!(won.len(), 1, "round {round}");
        assert!(lost.iter().all(|it| it.status == 412));
        assert_eq!(won[0].data()["version"], round);
        tag = tag_of(won[0]);
        assert_eq!(tag_of(&client.get_cart().await), tag);
    }
    assert_consistent(&world.market.database).await;
}

/// Without a row there is nothing to lock: two instances both see no cart, and only one of their
/// inserts is the first.
#[tokio::test]
async fn of_many_who_start_a_cart_only_if_there_is_none_exactly_one_does() {
    let world = World::start().await;
    let other =
        crate::support::Server::start(&world.market.database.url, &world.redis.url, &[]).await;
    let cart = cart_of(&[(world.market.sold_product(500, 99).await, 1)]);
    for _ in 0..10 {
        let buyer = world.market.buyer().await;
        let clients = [world.client(&buyer), other.client(&buyer)];
        let start = |client: &Client| {
            client
                .put_cart_request(&fresh_key(), &cart)
                .header("If-None-Match", "*")
        };
        let requests = (0..6).map(|nr| start(&clients[nr % 2]));

        let replies = together(requests).await;

        let statuses: Vec<_> = replies.iter().map(|it| it.status).collect();
        let won = statuses.iter().filter(|status| **status == 200).count();
        assert_eq!(won, 1, "{statuses:?}");
        assert!(
            statuses.iter().all(|status| [200, 412].contains(status)),
            "{statuses:?}"
        );
    }
}

/// Requests with a precondition share transactions with others that have none, and must neither delay
/// nor undo those.
#[tokio::test]
async fn those_who_expect_something_share_transactions_with_those_who_do_not() {
    let world = World::start().await;
    let cart = cart_of(&[(world.market.sold_product(500, 999).await, 1)]);
    let clients: Vec<_> =
        join_all((0..24).map(async |_| world.client(&world.market.buyer().await))).await;
    let requests = clients.iter().enumerate().map(|(nr, client)| {
        let request = client.put_cart_request(&fresh_key(), &cart);
        match nr % 3 {
            0 => request,
            1 => request.header("If-None-Match", "*"),
            _ => request.header("If-Match", "*"),
        }
    });

    let replies = together(requests).await;

    for (nr, reply) in replies.iter().enumerate() {
        let expected = if nr % 3 == 2 { 412 } else { 200 };
        assert_eq!(reply.status, expected, "{}", reply.text());
    }
    assert_eq!(world.market.database.count(ACTIVE_CARTS).await, 16);
    assert_consistent(&world.market.database).await;
}

#[tokio::test]
async fn a_get_of_a_version_that_is_known_is_304() {
    let world = World::start().await;
    let client = world.client(&world.market.buyer().await);
    let cart = cart_of(&[(world.market.sold_product(500, 9).await, 1)]);
    let old = tag_of(&put(&client, &cart).await);
    let get = async |known: &str| {
        let request = client.request(reqwest::Method::GET, "/api/v1/cart");
        Client::send(request.header("If-None-Match", known)).await
    };

    for known in [
        old.clone(),
        format!("W/{old}"),
        format!("\"x\", {old}"),
        "*".to_owned(),
    ] {
        let reply = get(&known).await;
        assert_eq!((reply.status, reply.bytes.len()), (304, 0), "{known}");
        assert_eq!(reply.header("etag"), old);
    }
    assert_eq!(get("nonsense").await.bad_fields(), ["If-None-Match"]);
    put(&client, &cart).await;
    let reply = get(&old).await;
    assert_eq!(reply.status, 200);
    let tags: BTreeSet<_> = [tag_of(&reply), old].into();
    assert_eq!(tags.len(), 2);
}
