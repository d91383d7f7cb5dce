//! The last audit is shown from its file, and its findings are a warning.

use std::path::Path;

use serde_json::Value;

use crate::support::{World, server::splitcart, wait};

use super::{Browser, open, until_text};

/// Audits as a timer does.
fn audit(world: &World, file: &Path) -> Option<i32> {
    let audit = splitcart("audit")
        .env("SPLITCART_DATABASE_URL", &world.market.database.url)
        .env("SPLITCART_REDIS_URL", "redis://127.0.0.1:1")
        .arg("--metrics")
        .arg(file)
        .output()
        .unwrap();
    audit.status.code()
}

async fn told(world: &World) -> Value {
    let (_, body) = world.server.operations("/ops/snapshot").await;
    serde_json::from_str(&body).unwrap_or_default()
}

#[tokio::test]
async fn the_last_audit_is_shown_and_what_it_found_is_a_warning() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("audit.prom");
    let setting = [("SPLITCART_OPS_AUDIT_FILE", file.to_str().unwrap())];
    let world = World::with_settings(&setting).await;
    let product = world.market.sold_product(500, 7).await;
    let browser = Browser::start(1440, 1000).await;
    open(&browser, &world.server).await;
    until_text(&browser, "audit", |text| {
        text.contains("audit.prom: No such file")
    })
    .await;
    assert_eq!(told(&world).await["verdict"]["state"], "well");

    assert_eq!(audit(&world, &file), Some(0));
    until_text(&browser, "audit", |text| {
        text.contains(" ago") && text.contains("Rows that break one0")
    })
    .await;
    assert!(told(&world).await["audit"]["rules"].as_u64().unwrap() > 20);

    let by_hand =
        "update inventory_items set reserved_qty = reserved_qty + 1 where product_id = $1";
    let changed = sqlx::query(by_hand).bind(product.id);
    changed.execute(&world.market.database.pool).await.unwrap();
    assert_eq!(audit(&world, &file), Some(1));
    until_text(&browser, "sentence", |text| {
        text.starts_with("The last audit found ") && text.contains(" a rule")
    })
    .await;
    let moment = told(&world).await;
    assert_eq!(moment["verdict"]["state"], "warning");
    let broken = &moment["audit"]["broken"][0];
    assert!(broken["value"].as_f64().unwrap() >= 1.0, "{moment}");
    let name = broken["name"].as_str().unwrap().replace('_', " ");
    until_text(&browser, "audit", |text| text.contains(&name)).await;

    std::fs::write(&file, "no audit").unwrap();
    wait::until("what is no audit is told", async || {
        let problem = told(&world).await["audit"]["problem"].clone();
        problem
            .as_str()
            .is_some_and(|it| it.ends_with("there is no audit in it"))
    })
    .await;
    assert_eq!(browser.complaints().await, Vec::<String>::new());
}
