//! The promises made to a buyer about a cart that was shown, and their duration: `expected_total`,
//! `expected_version`, the price hold.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};

use crate::support::{Client, Reply, World, client::fresh_key, market::cart_of, wait};

/// A cart of 20.00 that was sent twice.
async fn sent_twice(world: &World) -> (Client, Value) {
    let client = world.client(&world.market.buyer().await);
    let product = world.market.sold_product(500, 10).await;
    client.freeze(&cart_of(&[(product, 3)])).await;
    let cart_id = client.freeze(&cart_of(&[(product, 4)])).await;
    (client, json!(cart_id))
}

async fn check_out(client: &Client, body: Value) -> Reply {
    Client::send(client.checkout_request(&fresh_key(), &body)).await
}

#[tokio::test]
async fn a_cart_that_is_as_expected_is_bought() {
    let world = World::start().await;
    // The same amount in several spellings.
    for expected in [
        json!({ "expected_total": "20.00", "expected_version": 2 }),
        json!({ "expected_total": "20" }),
        json!({ "expected_version": 2 }),
        json!({ "expected_total": null, "expected_version": null }),
    ] {
        let (client, cart_id) = sent_twice(&world).await;
        let mut body = expected.clone();
        body["cart_id"] = cart_id;
        let reply = check_out(&client, body).await;
        assert_eq!(reply.status, 201, "{expected}: {}", reply.text());
    }
}

#[tokio::test]
async fn every_difference_is_told_and_nothing_is_bought() {
    let world = World::start().await;
    let (client, cart_id) = sent_twice(&world).await;
    let before = world.market.database.contents().await;
    let total = json!({ "path": "/expected_total", "expected": "15.00", "actual": "20.00" });
    let version = json!({ "path": "/expected_version", "expected": 1, "actual": 2 });
    for (expected, changes) in [
        (
            json!({ "expected_total": "15.00", "expected_version": 1 }),
            json!([total, version]),
        ),
        (
            json!({ "expected_total": "15.00", "expected_version": 2 }),
            json!([total]),
        ),
        (json!({ "expected_version": 1 }), json!([version])),
    ] {
        let mut body = expected;
        body["cart_id"] = cart_id.clone();

        let reply = check_out(&client, body).await;

        assert_eq!((reply.status, reply.code().as_str()), (409, "CART_CHANGED"));
        assert_eq!(reply.json()["error"]["details"]["changes"], changes);
    }
    assert_eq!(world.market.database.contents().await, before);
}

#[tokio::test]
async fn what_is_expected_must_be_a_figure() {
    let world = World::start().await;
    let (client, cart_id) = sent_twice(&world).await;
    for (field, values) in [
        (
            "expected_total",
            vec![json!(20), json!("-1"), json!("1.005"), json!("")],
        ),
        (
            "expected_version",
            vec![json!(0), json!("2"), json!(1.5), json!(-1)],
        ),
        (
            "shortage_policy",
            vec![json!("none"), json!(""), json!(1), json!(["fill"])],
        ),
    ] {
        for value in values {
            let reply = check_out(&client, json!({ "cart_id": cart_id, field: value })).await;
            assert_eq!(reply.status, 400, "{field}: {value}");
            assert_eq!(reply.bad_fields(), [format!("/{field}")]);
        }
    }
}

#[tokio::test]
async fn a_cart_can_be_bought_for_a_day_after_its_last_put() {
    let world = World::start().await;
    let (client, _) = sent_twice(&world).await;

    let cart = client.get_cart().await.data();

    let time = |name: &str| -> DateTime<Utc> { cart[name].as_str().unwrap().parse().unwrap() };
    assert_eq!(
        time("valid_until") - time("updated_at"),
        TimeDelta::hours(24)
    );
}

#[tokio::test]
async fn an_expired_cart_must_be_put_again() {
    let world = World::with_settings(&[("SPLITCART_CART_PRICE_HOLD", "2h")]).await;
    let client = world.client(&world.market.buyer().await);
    let product = world.market.sold_product(500, 10).await;
    let cart = cart_of(&[(product, 4)]);
    let cart_id = client.freeze(&cart).await;
    let age = |minutes: i32| {
        format!("update cart_records set updated_at = now() - interval '{minutes} minutes'")
    };
    world.market.database.run(&age(121)).await;
    let before = world.market.database.contents().await;

    let reply = check_out(&client, json!({ "cart_id": cart_id })).await;

    assert_eq!((reply.status, reply.code().as_str()), (409, "CART_EXPIRED"));
    // The expired cart can still be read, and shows the same time.
    let shown = client.get_cart().await.data()["valid_until"].clone();
    assert_eq!(
        reply.json()["error"]["details"],
        json!({ "valid_until": shown })
    );
    assert_eq!(world.market.database.contents().await, before);

    // A younger cart can be bought, and so can one that was sent again.
    client.freeze(&cart).await;
    world.market.database.run(&age(119)).await;
    let reply = check_out(&client, json!({ "cart_id": cart_id })).await;
    assert_eq!(reply.status, 201, "{}", reply.text());
}

#[tokio::test]
async fn without_a_hold_a_cart_can_be_bought_for_ever() {
    let world = World::with_settings(&[("SPLITCART_CART_PRICE_HOLD", "off")]).await;
    let (client, cart_id) = sent_twice(&world).await;
    assert_eq!(client.get_cart().await.data()["valid_until"], json!(null));
    let age = "update cart_records set created_at = '2001-01-01', updated_at = '2001-01-01'";
    world.market.database.run(age).await;

    let reply = check_out(&client, json!({ "cart_id": cart_id })).await;

    assert_eq!(reply.status, 201, "{}", reply.text());
}

/// The first answer outlives the hold, because it was given in time.
#[tokio::test]
async fn a_replay_does_not_expire() {
    let world = World::start().await;
    let (client, cart_id) = sent_twice(&world).await;
    let (key, body) = (fresh_key(), json!({ "cart_id": cart_id }));
    let first = Client::send(client.checkout_request(&key, &body)).await;
    let age = "update cart_records set updated_at = now() - interval '30 days'";
    world.market.database.run(age).await;
    world.redis.empty().await;

    let again = Client::send(client.checkout_request(&key, &body)).await;

    assert!(again.is_replay() && again.bytes == first.bytes);
}

/// The advice of the error works under any key: an answer is kept no longer than its prices are.
#[tokio::test]
async fn an_expired_cart_that_is_put_again_under_its_key_is_priced_anew() {
    let world = World::with_settings(&[("SPLITCART_CART_PRICE_HOLD", "1s")]).await;
    let client = world.client(&world.market.buyer().await);
    let product = world.market.sold_product(500, 10).await;
    let (key, cart) = (fresh_key(), cart_of(&[(product, 4)]));
    assert_eq!(client.put_cart(&key, &cart).await.data()["version"], 1);
    assert!(client.put_cart(&key, &cart).await.is_replay());

    wait::until("the answer is forgotten", async || {
        let again = client.put_cart(&key, &cart).await;
        !again.is_replay() && again.data()["version"] == 2
    })
    .await;
}
