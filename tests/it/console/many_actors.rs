//! Ten thousand live actors, started by checkouts, are drawn in less than a frame.

use serde_json::json;
use uuid::Uuid;

use crate::support::{
    Market, World,
    client::fresh_key,
    market::{Product, Vendor, cart_of},
    wait,
};

use super::{Browser, open};

const VENDORS: usize = 10_000;
/// A cart may have so many lines.
const LINES: usize = 100;
/// The time of a frame, in milliseconds.
const FRAME_MS: f64 = 16.0;
/// The number of times that the map is drawn, for an average.
const DRAWINGS: u32 = 21;

/// Vendors with one product each.
async fn vendors(market: &Market) -> Vec<Product> {
    let ids = || -> Vec<Uuid> { (0..VENDORS).map(|_| Uuid::now_v7()).collect() };
    let (vendors, products, others) = (ids(), ids(), ids());
    sqlx::query(
        "with ids as (
            select * from unnest($1::uuid[], $2::uuid[], $3::uuid[]) as ids (vendor, product, other)
         ),
         stores as (
            insert into stores (id, type, name, state, kyc_status)
            select vendor, 'vendor', 'Vendor', 'OK', 'verified' from ids
            returning id
         ),
         licenses as (
            insert into licenses (
                id, store_id, number, type, issuing_state, status, issued_on, expires_on)
            select other, vendor, vendor::text, 'grower', 'OK', 'verified', current_date - 30,
                current_date + 300
            from ids
         ),
         subscriptions as (
            insert into subscriptions (id, vendor_store_id, status, current_period_end)
            select other, vendor, 'active', now() + interval '30 days' from ids
         ),
         products as (
            insert into products (id, vendor_store_id, sku, title, category, unit, price)
            select product, vendor, product::text, 'Product', 'flower', 'unit', 5 from ids
         )
         insert into inventory_items (product_id, vendor_store_id, available_qty, reserved_qty)
         select product, vendor, 1000, 0 from ids",
    )
    .bind(&vendors)
    .bind(&products)
    .bind(&others)
    .execute(&market.database.pool)
    .await
    .unwrap();
    let product = |(vendor, id): (&Uuid, &Uuid)| Product {
        id: *id,
        vendor: Vendor { store_id: *vendor },
        price: 500,
    };
    vendors.iter().zip(&products).map(product).collect()
}

#[tokio::test]
async fn ten_thousand_actors_are_drawn_within_a_frame() {
    let world = World::with_settings(&[("SPLITCART_VENDORS_IDLE_S_MAX", "3600")]).await;
    let products = vendors(&world.market).await;
    let client = world.client(&world.market.buyer().await);
    for some in products.chunks(LINES) {
        let lines: Vec<_> = some.iter().map(|product| (*product, 1)).collect();
        let cart_id = client.freeze(&cart_of(&lines)).await;
        client.check_out(&fresh_key(), cart_id).await.data();
    }
    let browser = Browser::start(1440, 1000).await;
    open(&browser, &world.server).await;
    wait::until("all actors are drawn", async || {
        browser.text("map-count").await.starts_with("10,000 live")
    })
    .await;

    let prepare = "const done = arguments[0];
        Promise.all([import('/ops/assets/map.js'), fetch('/ops/snapshot').then((it) => it.json())])
            .then(([{ decode, drawMap }, moment]) => {
                const map = decode(moment.map);
                // Every cell at work, which is the most there is to draw.
                map.busy = new Uint8Array(map.places * 5);
                for (let place = 0; place < map.places; place++) {
                    const bytes = [place & 255, place >> 8, place % 7, (place * 31) % 200, place % 90];
                    map.busy.set(bytes, place * 5);
                }
                window.drawAll = () => drawMap(document.getElementById('map'), map, moment.hottest);
                done(map.places);
            });";
    let places = browser.client.execute_async(prepare, Vec::new()).await;
    assert_eq!(places.unwrap(), json!(VENDORS));
    let draw = format!("for (let turn = 0; turn < {DRAWINGS}; turn++) drawAll()");
    browser.count_busy_time().await;
    let before = browser.busy_ms().await;
    browser.client.execute(&draw, Vec::new()).await.unwrap();
    let drawn_ms = (browser.busy_ms().await - before) / f64::from(DRAWINGS);

    assert!(drawn_ms > 0.0 && drawn_ms < FRAME_MS, "{drawn_ms} ms");
    browser.picture("ten-thousand").await;
    assert_eq!(browser.complaints().await, Vec::<String>::new());
}
