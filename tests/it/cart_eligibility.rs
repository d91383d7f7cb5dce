//! Eligibility to trade (PF-075): "Buyer (valid license) & Vendor (valid license + active sub) are
//! validated server-side + both are in the same state".

use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{World, client::fresh_key, market::cart_of};

/// Changes a store and its papers; `{id}` is its id.
async fn change(world: &World, store_id: Uuid, statements: &str) {
    let statements = statements.replace("{id}", &format!("'{store_id}'"));
    world.market.database.run(&statements).await;
}

/// Undoes any [`change`].
async fn restore(world: &World, store_id: Uuid, store_type: &str) {
    let restore = format!(
        "update stores set state = 'OK', kyc_status = 'verified', type = '{store_type}'
            where id = {{id}};
         delete from licenses where store_id = {{id}};
         insert into licenses (id, store_id, number, type, issuing_state, status, expires_on)
            values (gen_random_uuid(), {{id}}, {{id}}, 'grower', 'OK', 'verified', null);
         delete from subscriptions where vendor_store_id = {{id}};
         insert into subscriptions (id, vendor_store_id, status, current_period_end)
            values (gen_random_uuid(), {{id}}, 'active', now() + interval '1 day');"
    );
    change(world, store_id, &restore).await;
}

/// Licences, each with its validity: the rule is the same for buyers and vendors. The last day is a day
/// in UTC.
const LICENCES: [(&str, bool); 12] = [
    (
        "update stores set kyc_status = 'pending_verification' where id = {id}",
        false,
    ),
    (
        "update stores set kyc_status = 'rejected' where id = {id}",
        false,
    ),
    (
        "update stores set kyc_status = 'expired' where id = {id}",
        false,
    ),
    (
        "update stores set kyc_status = 'suspended' where id = {id}",
        false,
    ),
    ("delete from licenses where store_id = {id}", false),
    (
        "update licenses set status = 'pending' where store_id = {id}",
        false,
    ),
    (
        "update licenses set status = 'rejected' where store_id = {id}",
        false,
    ),
    (
        "update licenses set status = 'expired' where store_id = {id}",
        false,
    ),
    (
        "update licenses set issuing_state = 'TX' where store_id = {id}",
        false,
    ),
    (
        "update licenses set expires_on = (now() at time zone 'utc')::date - 1
         where store_id = {id}",
        false,
    ),
    (
        "update licenses set expires_on = (now() at time zone 'utc')::date where store_id = {id}",
        true,
    ),
    // One good licence beside a bad one is enough.
    (
        "insert into licenses (id, store_id, number, type, issuing_state, status)
         values (gen_random_uuid(), {id}, 'old', 'producer', 'OK', 'expired')",
        true,
    ),
];

/// Subscriptions, each with its validity.
const SUBSCRIPTIONS: [(&str, bool); 7] = [
    (
        "update subscriptions set status = 'trialing' where vendor_store_id = {id}",
        true,
    ),
    (
        "update subscriptions set status = 'past_due' where vendor_store_id = {id}",
        false,
    ),
    (
        "update subscriptions set status = 'canceled' where vendor_store_id = {id}",
        false,
    ),
    (
        "update subscriptions set status = 'paused' where vendor_store_id = {id}",
        false,
    ),
    (
        "update subscriptions set current_period_end = now() - interval '1 second'
         where vendor_store_id = {id}",
        false,
    ),
    (
        "update subscriptions set status = 'trialing',
            current_period_end = now() - interval '1 second'
         where vendor_store_id = {id}",
        false,
    ),
    (
        "delete from subscriptions where vendor_store_id = {id}",
        false,
    ),
];

/// Buyers without a valid licence are not let in at all.
#[tokio::test]
async fn a_buyer_needs_a_valid_licence() {
    let world = World::start().await;
    let buyer = world.market.buyer().await;
    let client = world.client(&buyer);
    let cart = cart_of(&[(world.market.sold_product(500, 50).await, 1)]);

    for (statement, valid) in LICENCES {
        restore(&world, buyer.store_id, "buyer").await;
        change(&world, buyer.store_id, statement).await;

        let put = client.put_cart(&fresh_key(), &cart).await;
        let get = client.get_cart().await;

        if valid {
            assert_eq!(
                (put.status, get.status),
                (200, 200),
                "{statement}: {}",
                put.text()
            );
        } else {
            for reply in [put, get] {
                let got = (reply.status, reply.code());
                assert_eq!(got, (403, "FORBIDDEN".to_owned()), "{statement}");
            }
        }
    }
}

/// A vendor with one reason against it: named once, at its first line.
#[tokio::test]
async fn a_vendor_needs_a_valid_licence_and_an_active_subscription() {
    let world = World::start().await;
    let client = world.client(&world.market.buyer().await);
    let fine = world.market.sold_product(500, 50).await;
    let vendor = world.market.vendor().await;
    let first = world.market.product(vendor, 500, 50).await;
    let second = world.market.product(vendor, 500, 50).await;
    let cart = cart_of(&[(fine, 1), (first, 1), (second, 1)]);
    let cases = LICENCES
        .map(|(statement, valid)| (statement, (!valid).then_some("vendor_license_invalid")))
        .into_iter()
        .chain(SUBSCRIPTIONS.map(|(statement, active)| {
            (
                statement,
                (!active).then_some("vendor_subscription_inactive"),
            )
        }))
        .chain([(
            "update stores set state = 'TX' where id = {id};
             update licenses set issuing_state = 'TX' where store_id = {id}",
            Some("vendor_state_mismatch"),
        )]);

    for (statement, expected) in cases {
        restore(&world, vendor.store_id, "vendor").await;
        change(&world, vendor.store_id, statement).await;
        let before = world.market.database.contents().await;

        let reply = client.put_cart(&fresh_key(), &cart).await;

        let Some(code) = expected else {
            assert_eq!(reply.status, 200, "{statement}: {}", reply.text());
            continue;
        };
        assert_eq!(
            (reply.status, reply.code().as_str()),
            (422, "CART_INVALID"),
            "{statement}"
        );
        let violations: Value = reply.json()["error"]["details"]["violations"].clone();
        let expected = json!([{
            "code": code, "path": "/items/1/vendor_store_id", "vendor_store_id": vendor.store_id,
        }]);
        assert_eq!(violations, expected, "{statement}");
        assert_eq!(world.market.database.contents().await, before);
    }
}

/// A buyer's store can't sell, even if it has all the papers and owns the product.
#[tokio::test]
async fn a_store_that_is_no_vendor_can_t_sell() {
    let world = World::start().await;
    let client = world.client(&world.market.buyer().await);
    let product = world.market.sold_product(500, 50).await;
    let seller = product.vendor.store_id;
    change(
        &world,
        seller,
        "update stores set type = 'buyer' where id = {id}",
    )
    .await;

    let reply = client
        .put_cart(&fresh_key(), &cart_of(&[(product, 1)]))
        .await;

    assert_eq!(reply.violations(), ["vendor_license_invalid"]);
}

/// Both sides must be in the same state: the buyer's own, whichever state that is.
#[tokio::test]
async fn buyer_and_vendor_may_both_be_elsewhere() {
    let world = World::start().await;
    let buyer = world.market.buyer().await;
    let product = world.market.sold_product(500, 50).await;
    let cart = cart_of(&[(product, 1)]);
    let moved = "update stores set state = 'TX' where id = {id};
                 update licenses set issuing_state = 'TX' where store_id = {id}";
    let client = world.client(&buyer);
    change(&world, buyer.store_id, moved).await;
    let apart = client.put_cart(&fresh_key(), &cart).await;
    change(&world, product.vendor.store_id, moved).await;

    let together = client.put_cart(&fresh_key(), &cart).await;

    assert_eq!(apart.violations(), ["vendor_state_mismatch"]);
    assert_eq!(together.status, 200, "{}", together.text());
}
