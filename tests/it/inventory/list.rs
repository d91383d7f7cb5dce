//! `GET /api/v1/inventory`.

use serde_json::{Value, json};
use uuid::Uuid;

use super::{PATH, Shop};

fn ids(page: &Value) -> Vec<Uuid> {
    let items = page["data"].as_array().unwrap().iter();
    let id = |item: &Value| item["product_id"].as_str().unwrap().parse().unwrap();
    items.map(id).collect()
}

#[tokio::test]
async fn all_products_of_the_vendor_are_listed_by_id_page_by_page() {
    let shop = Shop::with_stock(&[3, 4, 5, 6, 7]).await;
    // Of another vendor.
    shop.world.market.sold_product(500, 9).await;
    let mut expected: Vec<_> = shop.products.iter().map(|product| product.id).collect();
    expected.sort_unstable();
    let (mut listed, mut cursor, mut pages) = (Vec::new(), String::new(), 0);
    loop {
        let page = shop
            .client
            .get(&format!("{PATH}?limit=2{cursor}"))
            .await
            .json();
        listed.extend(ids(&page));
        pages += 1;
        let Some(next) = page["page"]["next_cursor"].as_str() else {
            break;
        };
        cursor = format!("&cursor={next}");
    }
    assert_eq!((listed, pages), (expected.clone(), 3));
    let all = shop.client.get(PATH).await.json();
    assert_eq!(
        (ids(&all), &all["page"]["next_cursor"]),
        (expected, &Value::Null)
    );
}

#[tokio::test]
async fn a_product_is_listed_with_its_stock() {
    let shop = Shop::with_stock(&[10, 10]).await;
    let [product, bare] = shop.products[..] else {
        unreachable!()
    };
    shop.sell(product, 4).await;
    let count = json!({ "product_id": product.id, "delta_qty": 2, "low_stock_threshold": 3 });
    shop.count(&[count]).await;
    let database = &shop.world.market.database;
    let change = format!(
        "update inventory_items set fulfilled_qty = 5000000000 where product_id = '{0}';
         update products set is_active = false where id = '{0}';
         delete from inventory_items where product_id = '{1}'",
        product.id, bare.id
    );
    database.run(&change).await;

    let page = shop.client.get(PATH).await.json();

    let sku = product.id.simple().to_string();
    let mut told = page["data"][0].clone();
    let updated_at = told.as_object_mut().unwrap().remove("updated_at").unwrap();
    assert!(updated_at.as_str().unwrap().ends_with('Z'), "{updated_at}");
    let expected = json!({
        "product_id": product.id, "sku": sku, "title": format!("Product {sku}"), "is_active": false,
        "available_qty": 8, "reserved_qty": 4, "fulfilled_qty": 5_000_000_000_i64,
        "low_stock_threshold": 3, "version": 1,
    });
    assert_eq!(told, expected);
    let never_counted = &page["data"][1];
    assert_eq!(
        (&never_counted["available_qty"], &never_counted["version"]),
        (&json!(0), &json!(0))
    );
}

#[tokio::test]
async fn one_product_is_found_by_its_id_and_its_sku() {
    let shop = Shop::with_stock(&[3, 4]).await;
    let foreign = shop.world.market.sold_product(500, 9).await;
    let [one, other] = shop.products[..] else {
        unreachable!()
    };
    let sku = one.id.simple();
    for (query, expected) in [
        (format!("product_id={}", one.id), vec![one.id]),
        (format!("sku={sku}"), vec![one.id]),
        (format!("sku={sku}&product_id={}", one.id), vec![one.id]),
        (format!("sku={sku}&product_id={}", other.id), vec![]),
        (format!("product_id={}", foreign.id), vec![]),
        (format!("sku={}", foreign.id.simple()), vec![]),
        ("sku=%C3%A9%20x".to_owned(), vec![]),
    ] {
        let reply = shop.client.get(&format!("{PATH}?{query}")).await;
        assert_eq!(reply.status, 200, "{query}");
        assert_eq!(ids(&reply.json()), expected, "{query}");
    }
}

#[tokio::test]
async fn a_malformed_query_is_told_and_a_buyer_is_no_vendor() {
    let shop = Shop::with_stock(&[3]).await;
    for (query, fields) in [
        ("limit=0", vec!["limit"]),
        ("limit=201", vec!["limit"]),
        ("limit=01&cursor=x", vec!["limit", "cursor"]),
        ("product_id=x&sku=", vec!["product_id", "sku"]),
        ("page=2", vec!["page"]),
    ] {
        let reply = shop.client.get(&format!("{PATH}?{query}")).await;
        assert_eq!(
            (reply.status, reply.bad_fields()),
            (400, fields.iter().map(ToString::to_string).collect())
        );
    }
    let buyer = shop.world.client(&shop.world.market.buyer().await);
    for path in [PATH.to_owned(), format!("{PATH}?limit=0")] {
        let reply = buyer.get(&path).await;
        assert_eq!((reply.status, reply.code().as_str()), (403, "FORBIDDEN"));
    }
}
