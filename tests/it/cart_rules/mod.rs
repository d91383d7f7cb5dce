//! `PUT /api/v1/cart`: every rule that refuses a cart (422), at its path and with its figures, all
//! at once, and never with a changed row.

mod limits;

use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{
    Client, Market, Product, Reply, Vendor, World,
    client::fresh_key,
    market::{cart_of, item},
};

/// Sends a cart that must be refused, with everything left as it was and the key free; returns the
/// violations.
async fn refused(world: &World, client: &Client, cart: &Value) -> Vec<Value> {
    let before = world.market.database.contents().await;
    let reply = client.put_cart(&fresh_key(), cart).await;
    assert_eq!(world.market.database.contents().await, before);
    violations(&reply)
}

fn violations(reply: &Reply) -> Vec<Value> {
    assert_eq!(
        (reply.status, reply.code().as_str()),
        (422, "CART_INVALID"),
        "{}",
        reply.text()
    );
    let violations = &reply.json()["error"]["details"]["violations"];
    violations.as_array().unwrap().clone()
}

fn of_line(code: &str, path: &str, line: &Value) -> Value {
    json!({
        "code": code, "path": path,
        "product_id": line["product_id"], "vendor_store_id": line["vendor_store_id"],
    })
}

fn with(mut violation: Value, expected: Value, actual: Value) -> Value {
    violation["expected"] = expected;
    violation["actual"] = actual;
    violation
}

async fn edit(market: &Market, product: Product, assignments: &str) {
    let update = format!(
        "update products set {assignments} where id = '{}'",
        product.id
    );
    market.database.run(&update).await;
}

/// A discount with the rest of its columns set.
async fn odd_discount(market: &Market, vendor: Vendor, code: &str, assignments: &str) {
    market.discount(vendor, code, "fixed", "1.00").await;
    let update = format!("update store_discounts set {assignments} where code = '{code}'");
    market.database.run(&update).await;
}

/// PF-075: "MOQ, availability are validated": the faults of a single line.
#[tokio::test]
async fn a_line_is_checked_against_the_catalogue() {
    let world = World::start().await;
    let client = world.client(&world.market.buyer().await);
    let product = world.market.sold_product(500, 30).await;
    edit(&world.market, product, "moq = 4, max_qty = 20").await;
    let inactive = world.market.sold_product(500, 30).await;
    edit(&world.market, inactive, "is_active = false").await;
    let stockless = world.market.sold_product(500, 30).await;
    world
        .market
        .database
        .run(&format!(
            "delete from inventory_items where product_id = '{}'",
            stockless.id
        ))
        .await;
    let few = item(product, 3);
    let many = item(product, 21);
    let too_many = item(product, 31);
    let gone = item(inactive, 1);
    let none = item(stockless, 1);
    let short = with(
        of_line("insufficient_inventory", "/items/0/qty", &too_many),
        json!(30),
        json!(31),
    );
    let max = |line: &Value| {
        let violation = of_line("max_qty_exceeded", "/items/0/qty", line);
        with(violation, json!(20), line["qty"].clone())
    };
    let table = [
        (
            cart_of(&[(product, 3)]),
            vec![with(
                of_line("moq_not_met", "/items/0/qty", &few),
                json!(4),
                json!(3),
            )],
        ),
        (cart_of(&[(product, 21)]), vec![max(&many)]),
        (cart_of(&[(product, 31)]), vec![max(&too_many), short]),
        (
            cart_of(&[(inactive, 1)]),
            vec![of_line("product_inactive", "/items/0/product_id", &gone)],
        ),
        (
            cart_of(&[(stockless, 1)]),
            vec![with(
                of_line("insufficient_inventory", "/items/0/qty", &none),
                json!(0),
                json!(1),
            )],
        ),
    ];

    for (cart, expected) in table {
        assert_eq!(refused(&world, &client, &cart).await, expected, "{cart}");
    }
    // The bounds themselves are fine.
    for qty in [4, 20] {
        client.freeze(&cart_of(&[(product, qty)])).await;
    }
}

/// A line that the catalogue can't price. The totals are not compared then, as the difference would say
/// nothing new.
#[tokio::test]
async fn a_line_of_an_unknown_product_or_another_vendor_is_refused() {
    let world = World::start().await;
    let client = world.client(&world.market.buyer().await);
    let product = world.market.sold_product(500, 30).await;
    let stranger = world.market.vendor().await;
    let unknown = Product {
        id: Uuid::now_v7(),
        ..product
    };
    let foreign = Product {
        vendor: stranger,
        ..product
    };
    let nobodys = Product {
        vendor: Vendor {
            store_id: Uuid::now_v7(),
        },
        ..product
    };

    for (wrong, code, field) in [
        (unknown, "product_not_found", "product_id"),
        (foreign, "vendor_mismatch", "vendor_store_id"),
        (nobodys, "vendor_mismatch", "vendor_store_id"),
    ] {
        let cart = cart_of(&[(wrong, 1)]);
        let path = format!("/items/0/{field}");
        let expected = of_line(code, &path, &cart["items"][0]);
        assert_eq!(refused(&world, &client, &cart).await, [expected]);
    }
}

/// Two lines of one product: the second one is named.
#[tokio::test]
async fn a_product_stands_in_a_cart_once() {
    let world = World::start().await;
    let client = world.client(&world.market.buyer().await);
    let product = world.market.sold_product(500, 30).await;
    let cart = cart_of(&[(product, 1), (product, 2)]);

    let violations = refused(&world, &client, &cart).await;

    let second = of_line(
        "duplicate_product",
        "/items/1/product_id",
        &cart["items"][1],
    );
    assert_eq!(violations, [second]);
}

/// PF-075: "Cart totals are validated server-side": every figure, up and down.
#[tokio::test]
async fn every_figure_that_is_sent_is_compared() {
    let world = World::start().await;
    let client = world.client(&world.market.buyer().await);
    let product = world.market.sold_product(1000, 30).await;
    world.market.tier(product, 5, "10").await;
    let mut good = cart_of(&[(product, 5)]);
    good["items"][0]["unit_price"] = json!("9.00");
    good["items"][0]["line_total"] = json!("45.00");
    good["totals"] = json!({ "subtotal": "50.00", "discount_total": "5.00", "total": "45.00" });
    client.freeze(&good).await;

    for (pointer, code, right, wrong) in [
        (
            "/items/0/unit_price",
            "unit_price_mismatch",
            "9.00",
            ["8.99", "10.00"],
        ),
        (
            "/items/0/line_total",
            "line_total_mismatch",
            "45.00",
            ["0.00", "45.01"],
        ),
        (
            "/totals/subtotal",
            "subtotal_mismatch",
            "50.00",
            ["45.00", "999999999999.99"],
        ),
        (
            "/totals/discount_total",
            "discount_mismatch",
            "5.00",
            ["0.00", "5.01"],
        ),
        (
            "/totals/total",
            "total_mismatch",
            "45.00",
            ["0.01", "50.00"],
        ),
    ] {
        for sent in wrong {
            let mut cart = good.clone();
            *cart.pointer_mut(pointer).unwrap() = json!(sent);
            let mut expected = if pointer.starts_with("/items") {
                of_line(code, pointer, &cart["items"][0])
            } else {
                json!({ "code": code, "path": pointer })
            };
            expected = with(expected, json!(right), json!(sent));
            assert_eq!(refused(&world, &client, &cart).await, [expected]);
        }
    }
    // Money is compared as money, not as text.
    good["items"][0]["unit_price"] = json!("9");
    good["totals"]["total"] = json!("45.0");
    client.freeze(&good).await;
}

/// PF-075: "store discounts are validated"; totals are compared as if a refused one were not there.
#[tokio::test]
async fn a_discount_must_be_the_vendor_s_running_and_earned() {
    let world = World::start().await;
    let market = &world.market;
    let client = world.client(&market.buyer().await);
    let product = market.sold_product(1000, 30).await;
    let other = market.sold_product(1000, 30).await;
    let vendor = product.vendor;
    market
        .discount(other.vendor, "ELSEWHERE", "fixed", "1.00")
        .await;
    for (code, assignments) in [
        ("OFF", "is_active = false"),
        ("LATER", "starts_at = now() + interval '1 hour'"),
        ("OVER", "ends_at = now() - interval '1 second'"),
        ("TWENTY1", "min_subtotal = 20.01"),
        (
            "TWENTY",
            "min_subtotal = 20.00, ends_at = now() + interval '1 hour'",
        ),
    ] {
        odd_discount(market, vendor, code, assignments).await;
    }
    let asking = |vendor: Vendor, code: &str| {
        let mut cart = cart_of(&[(product, 2)]);
        cart["discounts"] = json!([{ "vendor_store_id": vendor.store_id, "code": code }]);
        cart
    };
    let violation = |vendor: Vendor, code: &str| json!({ "code": code, "path": "/discounts/0/code", "vendor_store_id": vendor.store_id });
    let earned_by = with(
        violation(vendor, "discount_min_subtotal"),
        json!("20.01"),
        json!("20.00"),
    );
    // The sent totals are those without any discount, so nothing else is wrong.
    for (cart, expected) in [
        (
            asking(vendor, "NONE"),
            violation(vendor, "discount_not_found"),
        ),
        (
            asking(vendor, "ELSEWHERE"),
            violation(vendor, "discount_not_found"),
        ),
        (
            asking(other.vendor, "ELSEWHERE"),
            violation(other.vendor, "discount_not_found"),
        ),
        (
            asking(vendor, "OFF"),
            violation(vendor, "discount_inactive"),
        ),
        (
            asking(vendor, "LATER"),
            violation(vendor, "discount_inactive"),
        ),
        (
            asking(vendor, "OVER"),
            violation(vendor, "discount_inactive"),
        ),
        (asking(vendor, "TWENTY1"), earned_by),
    ] {
        assert_eq!(refused(&world, &client, &cart).await, [expected], "{cart}");
    }
    // With the totals of a granted discount the totals are wrong as well.
    let mut hoping = asking(vendor, "OFF");
    hoping["totals"] = json!({ "subtotal": "20.00", "discount_total": "1.00", "total": "19.00" });
    let violations = refused(&world, &client, &hoping).await;
    let codes: Vec<_> = violations.iter().map(|it| it["code"].clone()).collect();
    assert_eq!(
        codes,
        ["discount_inactive", "discount_mismatch", "total_mismatch"]
    );
    assert_eq!(
        (&violations[1]["expected"], &violations[2]["expected"]),
        (&json!("0.00"), &json!("20.00"))
    );
    // The minimum itself is enough, and a code is matched without case; the vendor's spelling stays.
    let mut granted = asking(vendor, "tWenTy");
    granted["totals"] = hoping["totals"].clone();
    let data = client.put_cart(&fresh_key(), &granted).await.data();
    assert_eq!(data["vendor_groups"][0]["store_discount"]["code"], "TWENTY");
}

/// No cart can be priced in a foreign currency.
#[tokio::test]
async fn an_unsupported_currency_is_refused() {
    let world = World::start().await;
    let client = world.client(&world.market.buyer().await);
    let mut cart = cart_of(&[(world.market.sold_product(500, 30).await, 1)]);
    cart["currency"] = json!("EUR");

    let violations = refused(&world, &client, &cart).await;

    let expected = json!({
        "code": "currency_unsupported", "path": "/currency", "expected": "USD", "actual": "EUR",
    });
    assert_eq!(violations, [expected]);
}

/// A buyer can repair a cart in one go: one of nearly every violation, in one answer.
#[tokio::test]
async fn all_violations_come_back_at_once() {
    let world = World::start().await;
    let market = &world.market;
    let client = world.client(&market.buyer().await);
    let (first, second) = (market.vendor().await, market.vendor().await);
    let bad = market.product(first, 1000, 5).await;
    edit(market, bad, "moq = 3, max_qty = 4, is_active = false").await;
    let fine = market.product(second, 500, 9).await;
    market.lapse_licence(first.store_id).await;
    market
        .database
        .run(&format!(
            "update subscriptions set status = 'past_due' where vendor_store_id = '{0}';
             update stores set state = 'TX' where id = '{0}'",
            first.store_id
        ))
        .await;
    odd_discount(market, first, "OFF", "is_active = false").await;
    odd_discount(market, second, "LOTS", "min_subtotal = 1000").await;
    let mut cart = cart_of(&[(bad, 6), (fine, 2), (fine, 1)]);
    cart["currency"] = json!("CHF");
    cart["items"][0]["unit_price"] = json!("1.00");
    cart["items"][1]["line_total"] = json!("1.00");
    cart["discounts"] = json!([
        { "vendor_store_id": first.store_id, "code": "OFF" },
        { "vendor_store_id": Uuid::now_v7(), "code": "OFF" },
        { "vendor_store_id": second.store_id, "code": "LOTS" },
    ]);
    cart["totals"] = json!({ "subtotal": "1.00", "discount_total": "2.00", "total": "3.00" });

    let violations = refused(&world, &client, &cart).await;

    let found: Vec<_> = violations
        .iter()
        .map(|it| (it["code"].as_str().unwrap(), it["path"].as_str().unwrap()))
        .collect();
    let expected = [
        ("currency_unsupported", "/currency"),
        ("product_inactive", "/items/0/product_id"),
        ("max_qty_exceeded", "/items/0/qty"),
        ("insufficient_inventory", "/items/0/qty"),
        ("unit_price_mismatch", "/items/0/unit_price"),
        ("line_total_mismatch", "/items/1/line_total"),
        ("duplicate_product", "/items/2/product_id"),
        ("vendor_license_invalid", "/items/0/vendor_store_id"),
        ("vendor_subscription_inactive", "/items/0/vendor_store_id"),
        ("vendor_state_mismatch", "/items/0/vendor_store_id"),
        ("discount_inactive", "/discounts/0/code"),
        ("discount_not_found", "/discounts/1/code"),
        ("discount_min_subtotal", "/discounts/2/code"),
        ("subtotal_mismatch", "/totals/subtotal"),
        ("discount_mismatch", "/totals/discount_total"),
        ("total_mismatch", "/totals/total"),
    ];
    assert_eq!(found, expected);
    let totals: Vec<_> = violations[13..]
        .iter()
        .map(|it| it["expected"].clone())
        .collect();
    assert_eq!(totals, ["75.00", "0.00", "75.00"]);
}
