//! What is delivered: to whom, signed with what, in which order.

use std::collections::BTreeSet;

use reqwest::Method;
use serde_json::json;

use super::{ENDPOINTS, Stage, create, send, send_json};
use crate::support::{
    Client,
    client::fresh_key,
    receiver::{Answer, Received, Receiver},
    wait,
};

#[tokio::test]
async fn a_buyer_gets_its_checkout_whole_and_each_vendor_its_own_order_alone() {
    let stage = Stage::start().await;
    let (products, vendors) = stage.vendors::<2>().await;
    let receivers = [
        Receiver::start().await,
        Receiver::start().await,
        Receiver::start().await,
    ];
    let buyers = create(&stage.buyer, &receivers[0].url(), &[]).await;
    let mut secrets = vec![buyers.secret];
    for (vendor, receiver) in vendors.iter().zip(&receivers[1..]) {
        secrets.push(
            create(vendor, &receiver.url(), &["vendor_order_created"])
                .await
                .secret,
        );
    }

    let group = stage.buy(&products).await;

    let mut ids = BTreeSet::new();
    for (receiver, secret) in receivers.iter().zip(&secrets) {
        let came = receiver.until_received(1).await.remove(0);
        assert!(came.is_signed_with(secret), "{came:?}");
        let others = secrets.iter().filter(|other| *other != secret);
        assert!(others.into_iter().all(|other| !came.is_signed_with(other)));
        assert_eq!(came.id(), came.json()["event_id"].as_str().unwrap());
        assert_eq!(came.header("content-type"), "application/json");
        ids.insert(came.id());
    }
    assert_eq!(ids.len(), 3);
    let whole = receivers[0].received()[0].json();
    assert_eq!(whole["type"], "order_created");
    assert_eq!(
        whole["data"]["vendor_order_ids"].as_array().unwrap().len(),
        2
    );
    let orders = group["vendor_orders"].as_array().unwrap();
    for (receiver, product) in receivers[1..].iter().zip(products) {
        let came = receiver.received().remove(0);
        let event = came.json();
        let (own, others): (Vec<_>, Vec<_>) = orders
            .iter()
            .partition(|it| it["vendor_store_id"] == json!(product.vendor.store_id));
        assert_eq!(event["type"], "vendor_order_created");
        assert_eq!(event["data"]["order_id"], own[0]["order_id"]);
        assert_eq!(event["data"]["total"], own[0]["total"]);
        assert_eq!(event["data"]["lines"][0]["product_id"], json!(product.id));
        for other in others {
            for name in ["order_id", "vendor_store_id", "vendor_name"] {
                assert!(!came.body.contains(other[name].as_str().unwrap()));
            }
        }
    }
    for receiver in &receivers {
        assert_eq!(receiver.received().len(), 1);
    }
}

#[tokio::test]
async fn an_endpoint_gets_the_types_that_it_wants_and_while_it_is_switched_off_nothing() {
    let stage = Stage::start().await;
    let (products, vendors) = stage.vendors::<1>().await;
    let [wanted, off, canary] = [
        Receiver::start().await,
        Receiver::start().await,
        Receiver::start().await,
    ];
    create(&vendors[0], &wanted.url(), &["order_canceled"]).await;
    let switched_off = create(&vendors[0], &off.url(), &[]).await;
    let change = json!({ "is_active": false });
    send_json(&vendors[0], Method::PATCH, &switched_off.path(), &change).await;
    create(&vendors[0], &canary.url(), &[]).await;

    let group = stage.buy(&products).await;
    cancel(&stage, &group["vendor_orders"][0]["order_id"]).await;

    let all = canary.until_received(2).await;
    let types: Vec<_> = all.iter().map(|it| it.json()["type"].clone()).collect();
    assert_eq!(types, ["vendor_order_created", "order_canceled"]);
    let came = wanted.until_received(1).await;
    assert_eq!(came.len(), 1);
    assert_eq!(came[0].json()["type"], "order_canceled");
    assert_eq!(off.connections(), 0);
    let test = send(
        &vendors[0],
        Method::POST,
        &format!("{}/test", switched_off.path()),
    )
    .await;
    assert_eq!(test.status, 400);
}

#[tokio::test]
async fn a_delivery_can_be_sent_again_with_the_same_id() {
    let stage = Stage::start().await;
    let receiver = Receiver::start().await;
    let endpoint = create(&stage.buyer, &receiver.url(), &[]).await;
    let tested = send(
        &stage.buyer,
        Method::POST,
        &format!("{}/test", endpoint.path()),
    )
    .await;
    assert_eq!(tested.status, 202);
    let first = receiver.until_received(1).await.remove(0);
    assert!(first.is_signed_with(&endpoint.secret));
    assert_eq!(first.json()["type"], "webhook_test");
    let delivered = endpoint.until_tried(&stage.buyer, "delivered").await;
    assert_eq!(delivered["id"], tested.data()["delivery_id"]);
    assert_eq!(
        (&delivered["attempt"], &delivered["status"]),
        (&json!(1), &json!(200))
    );

    let id = delivered["id"].as_str().unwrap();
    let path = format!("{ENDPOINTS}/deliveries/{id}/redeliver");
    let again = send(&stage.buyer, Method::POST, &path).await;

    assert_eq!(again.status, 202, "{}", again.text());
    let came = receiver.until_received(2).await;
    assert_eq!((came[1].id(), &came[1].body), (first.id(), &first.body));
    wait::until("the second attempt is recorded", async || {
        let newest = endpoint.deliveries(&stage.buyer).await.remove(0);
        newest["id"] == again.data()["delivery_id"]
            && newest["attempt"] == 2
            && newest["outcome"] == "delivered"
    })
    .await;
}

#[tokio::test]
async fn after_a_rotation_both_secrets_sign_until_the_old_one_ends() {
    let stage = Stage::start().await;
    let receiver = Receiver::start().await;
    let endpoint = create(&stage.buyer, &receiver.url(), &[]).await;
    let test = format!("{}/test", endpoint.path());
    let path = format!("{}/rotate-secret", endpoint.path());

    let rotated = send(&stage.buyer, Method::POST, &path).await;

    assert_eq!(rotated.status, 200);
    let new = rotated.data()["secret"].as_str().unwrap().to_owned();
    assert_ne!(new, endpoint.secret);
    send(&stage.buyer, Method::POST, &test).await;
    let both = receiver.until_received(1).await.remove(0);
    assert!(both.is_signed_with(&new) && both.is_signed_with(&endpoint.secret));
    let kept = "select count(*) from webhook_endpoints
        where old_secrets_until[1] between now() + interval '23 hours' and now() + interval '24 hours'";
    assert_eq!(stage.count(kept).await, 1);
    stage
        .run("update webhook_endpoints set old_secrets_until = array[now()]")
        .await;
    send(&stage.buyer, Method::POST, &test).await;
    let one = receiver.until_received(2).await.remove(1);
    assert!(one.is_signed_with(&new) && !one.is_signed_with(&endpoint.secret));
}

#[tokio::test]
async fn every_old_secret_signs_until_its_own_end_and_there_are_five_at_most() {
    let stage = Stage::start().await;
    let receiver = Receiver::start().await;
    let endpoint = create(&stage.buyer, &receiver.url(), &[]).await;
    let path = format!("{}/rotate-secret", endpoint.path());
    let mut secrets = vec![endpoint.secret.clone()];
    for _ in 0..5 {
        let rotated = send(&stage.buyer, Method::POST, &path).await;
        secrets.push(rotated.data()["secret"].as_str().unwrap().to_owned());
    }

    let sixth = send(&stage.buyer, Method::POST, &path).await;

    assert_eq!((sixth.status, sixth.code().as_str()), (429, "RATE_LIMITED"));
    let wait: u64 = sixth.headers["retry-after"]
        .to_str()
        .unwrap()
        .parse()
        .unwrap();
    assert!((23 * 3600..=24 * 3600).contains(&wait), "{wait}");
    let test = format!("{}/test", endpoint.path());
    send(&stage.buyer, Method::POST, &test).await;
    let came = receiver.until_received(1).await.remove(0);
    assert!(secrets.iter().all(|secret| came.is_signed_with(secret)));
    stage
        .run("update webhook_endpoints set old_secrets_until[1] = now()")
        .await;
    let rotated = send(&stage.buyer, Method::POST, &path).await;
    secrets.push(rotated.data()["secret"].as_str().unwrap().to_owned());
    send(&stage.buyer, Method::POST, &test).await;
    let came = receiver.until_received(2).await.remove(1);
    assert!(!came.is_signed_with(&secrets[0]));
    assert!(
        secrets[1..]
            .iter()
            .all(|secret| came.is_signed_with(secret))
    );
}

#[tokio::test]
async fn a_test_is_refused_while_ten_wait() {
    let stage = Stage::start().await;
    let receiver = Receiver::start().await;
    receiver.answer(Answer::Never);
    let endpoint = create(&stage.buyer, &receiver.url(), &[]).await;
    let test = format!("{}/test", endpoint.path());
    for _ in 0..10 {
        assert_eq!(send(&stage.buyer, Method::POST, &test).await.status, 202);
    }

    let one_more = send(&stage.buyer, Method::POST, &test).await;

    assert_eq!(
        (one_more.status, one_more.code().as_str()),
        (429, "RATE_LIMITED")
    );
    assert!(one_more.headers.contains_key("retry-after"));
    let written = "select count(*) from webhook_deliveries";
    assert_eq!(stage.count(written).await, 10);
    receiver.answer(Answer::Status(200));
    wait::until("there is room again", async || {
        send(&stage.buyer, Method::POST, &test).await.status == 202
    })
    .await;
}

#[tokio::test]
async fn nothing_is_sent_again_to_an_endpoint_that_is_switched_off() {
    let stage = Stage::start().await;
    let receiver = Receiver::start().await;
    let endpoint = create(&stage.buyer, &receiver.url(), &[]).await;
    let test = format!("{}/test", endpoint.path());
    send(&stage.buyer, Method::POST, &test).await;
    let delivered = endpoint.until_tried(&stage.buyer, "delivered").await;
    let off = json!({ "is_active": false });
    send_json(&stage.buyer, Method::PATCH, &endpoint.path(), &off).await;

    let id = delivered["id"].as_str().unwrap();
    let path = format!("{ENDPOINTS}/deliveries/{id}/redeliver");
    let again = send(&stage.buyer, Method::POST, &path).await;

    assert_eq!(again.status, 400, "{}", again.text());
    assert_eq!(again.bad_fields(), ["id"]);
}

#[tokio::test]
async fn events_of_an_order_are_delivered_one_after_the_other_also_when_one_fails() {
    let stage = Stage::start().await;
    let (products, vendors) = stage.vendors::<1>().await;
    let receiver = Receiver::start().await;
    let endpoint = create(&vendors[0], &receiver.url(), &[]).await;
    receiver.answer(Answer::Never);
    let group = stage.buy(&products).await;
    receiver.until_received(1).await;
    let order = &group["vendor_orders"][0]["order_id"];
    cancel(&stage, order).await;
    let waiting = "select count(*) from webhook_deliveries where outcome is null";
    wait::until("both wait", async || stage.count(waiting).await == 2).await;
    // One of another order passes meanwhile.
    stage.buy(&products).await;
    receiver.until_received(2).await;

    receiver.answer(Answer::Status(500));

    let failed = endpoint.until_tried(&vendors[0], "failed").await;
    assert_eq!(failed["status"], 500);
    wait::until("the next attempts wait", async || {
        stage.count(waiting).await == 3
    })
    .await;
    receiver.answer(Answer::Status(200));
    stage.make_due().await;
    wait::until("everything is delivered", async || {
        stage.count(waiting).await == 0
    })
    .await;
    let of_order: Vec<_> = receiver
        .received()
        .iter()
        .map(Received::json)
        .filter(|it| it["aggregate_id"] == *order)
        .map(|it| it["type"].as_str().unwrap().to_owned())
        .collect();
    let (last, before) = of_order.split_last().unwrap();
    assert_eq!(last, "order_canceled");
    assert!(before.len() >= 2 && before.iter().all(|it| it == "vendor_order_created"));
}

#[tokio::test]
async fn a_slow_endpoint_gets_four_at_a_time_and_holds_up_nobody() {
    let stage = Stage::start().await;
    let (products, vendors) = stage.vendors::<1>().await;
    let [slow, quick] = [Receiver::start().await, Receiver::start().await];
    slow.answer(Answer::Never);
    create(&stage.buyer, &slow.url(), &[]).await;
    create(&vendors[0], &quick.url(), &[]).await;
    for _ in 0..8 {
        stage.buy(&products).await;
    }

    quick.until_received(8).await;

    wait::until("four wait", async || slow.waiting() == 4).await;
    assert_eq!(slow.received().len(), 4);
    slow.answer(Answer::Status(204));
    let came = slow.until_received(8).await;
    let ids: BTreeSet<_> = came.iter().map(Received::id).collect();
    assert_eq!(ids.len(), 8);
}

async fn cancel(stage: &Stage, order: &serde_json::Value) {
    let path = format!("/api/v1/orders/{}/cancellation", order.as_str().unwrap());
    let request = stage.buyer.request(Method::POST, &path);
    let request = request
        .header("Idempotency-Key", fresh_key())
        .json(&json!({}));
    let reply = Client::send(request).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
}
