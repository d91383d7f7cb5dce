//! What an operator sees while all is well: idle, under load, in both colour schemes, on a phone.

use std::time::Duration;

use fantoccini::{Locator, key::Key};
use serde_json::json;
use sqlx::Row;

use crate::{
    loadtest::seeded,
    support::{World, wait},
};

use super::{
    Browser, open,
    scenes::{load, settle},
    until_text,
};

/// The vendor that most lines were bought from.
async fn busiest_vendor(world: &World) -> String {
    let busiest = "select o.vendor_store_id::text
                   from vendor_orders o join order_line_items l on l.order_id = o.id
                   group by 1 order by count(*) desc limit 1";
    let row = sqlx::query(busiest).fetch_optional(&world.market.database.pool);
    row.await
        .unwrap()
        .map_or_else(String::new, |row| row.get(0))
}

#[tokio::test]
async fn an_idle_service_is_well() {
    let world = World::start().await;
    let browser = Browser::start(1440, 1000).await;
    open(&browser, &world.server).await;

    let sentence = browser.text("sentence").await;

    assert_eq!(sentence, "No checkouts at present; all well");
    assert!(browser.text("t-postgresql").await.contains("answers"));
    assert!(browser.text("t-redis").await.contains("answers"));
    browser.picture("idle").await;
    assert_eq!(browser.complaints().await, Vec::<String>::new());
}

#[tokio::test]
async fn under_a_spread_load_the_page_shows_rates_stages_and_live_actors() {
    let world = seeded(&[]).await;
    let browser = Browser::start(1440, 1000).await;
    open(&browser, &world.server).await;
    let _load = load(&world, "--clients 6 --retries 0.05", 12_000);
    until_text(&browser, "sentence", |text| {
        text.contains("checkouts a second, half of them in")
    })
    .await;

    // Of 40 vendors, those that may sell.
    wait::until("most vendors have an actor", async || {
        let count = browser.text("map-count").await;
        let live = count.split(' ').next().unwrap().parse::<u32>();
        live.is_ok_and(|live| live > 30)
    })
    .await;
    until_text(&browser, "way-total", |text| text.contains("on average")).await;
    let stages = browser.text("way-rows").await;
    assert!(
        stages.contains("commit") && stages.contains("ms"),
        "{stages}"
    );
    let hottest = browser.value("document.querySelectorAll('#hottest tbody tr').length");
    assert_eq!(hottest.await, json!(10));
    settle(&browser, Duration::from_secs(45)).await;
    browser.picture("spread").await;
    browser.prefer("dark").await;
    browser.picture("dark").await;
    browser.prefer("light").await;
    let down = "scrollTo(0, document.body.scrollHeight)";
    browser.client.execute(down, Vec::new()).await.unwrap();
    browser.picture("charts").await;
    assert_eq!(browser.complaints().await, Vec::<String>::new());
}

#[tokio::test]
async fn the_hot_vendor_stands_first_and_a_click_shows_its_stock_and_orders() {
    let world = seeded(&[]).await;
    let browser = Browser::start(1440, 1000).await;
    open(&browser, &world.server).await;
    let _load = load(&world, "--clients 32 --hot-share 0.9", 2_500);

    wait::until("the hot vendor stands first, by its name", async || {
        let row = "document.querySelector('#hottest tbody tr')";
        let first = browser.value(&format!("{row}?.dataset.vendor ?? ''")).await;
        let name = browser
            .value(&format!("{row}?.cells[1].textContent ?? ''"))
            .await;
        let is_named = name
            .as_str()
            .is_some_and(|it| !it.is_empty() && !it.starts_with("vendor …"));
        is_named && first == json!(busiest_vendor(&world).await)
    })
    .await;
    settle(&browser, Duration::from_secs(20)).await;
    browser.picture("flash-sale").await;
    let first = "document.querySelector('#hottest tbody button').click()";
    browser.client.execute(first, Vec::new()).await.unwrap();

    until_text(&browser, "vendor-body", |text| {
        text.contains("reserved") && text.contains("Available") && text.contains("created pending")
    })
    .await;
    browser.picture("vendor").await;
    assert_eq!(browser.broken_rules().await, []);

    // The same by keys, for whichever actor is next.
    let map = browser.client.find(Locator::Id("map")).await.unwrap();
    let close = "document.querySelector('dialog[open]').close();
                 document.getElementById('vendor-body').textContent = ''";
    browser.client.execute(close, Vec::new()).await.unwrap();
    map.send_keys(&Key::Right.to_string()).await.unwrap();
    until_text(&browser, "map-tip", |text| text.contains("press Enter")).await;
    map.send_keys(&Key::Enter.to_string()).await.unwrap();
    until_text(&browser, "vendor-body", |text| text.contains("Available")).await;
    assert_eq!(browser.complaints().await, Vec::<String>::new());
}

#[tokio::test]
async fn axe_finds_nothing_in_light_and_dark_and_on_a_phone() {
    let world = seeded(&[]).await;
    let _load = load(&world, "--clients 4", 2_500);
    for (width, height, picture) in [(1440, 1000, None), (390, 844, Some("phone"))] {
        let browser = Browser::start(width, height).await;
        open(&browser, &world.server).await;
        until_text(&browser, "hottest", |text| text.contains("Flower")).await;
        for scheme in ["light", "dark"] {
            browser.prefer(scheme).await;
            assert_eq!(browser.broken_rules().await, [], "{scheme}, {width} wide");
        }
        browser.prefer("light").await;
        let overflow = "document.documentElement.scrollWidth - innerWidth";
        let overflow = browser.value(overflow).await.as_i64().unwrap();
        assert!(
            overflow <= 0,
            "the page is {overflow} px wider than the window"
        );
        if let Some(name) = picture {
            settle(&browser, Duration::from_secs(10)).await;
            browser.picture(name).await;
        }
    }
}

#[tokio::test]
async fn a_chart_with_more_sinks_than_lines_sums_up_the_rest() {
    let world = World::start().await;
    let browser = Browser::start(1440, 1000).await;
    open(&browser, &world.server).await;
    // In one task, so that no moment of the server comes between.
    let script = "const done = arguments[0];
        Promise.all([import('/ops/assets/charts.js'), import('/ops/assets/figures.js')])
            .then(([charts, { figures }]) => {
                const sinks = [...'abcdefgh'];
                const waiting = sinks.map((sink, index) => [`sink.${sink}.waiting`, index + 1]);
                figures.add({ at_ms: Date.now() + 2000, figures: Object.fromEntries(waiting) });
                charts.makeCharts(sinks);
                charts.drawCharts();
                const texts = (chart) => [...chart.querySelectorAll('li')].map((it) => it.textContent);
                done([...document.querySelectorAll('.chart')]
                    .filter((it) => it.querySelector('figcaption').textContent.startsWith('Events'))
                    .map(texts));
            }, (error) => done(`${error}`))";

    let legends = browser.client.execute_async(script, Vec::new()).await;

    let published = ["a–", "b–", "c–", "d–", "e–", "3 others–"];
    let waiting = [
        "a waiting1",
        "b waiting2",
        "c waiting3",
        "d waiting4",
        "4 others waiting26",
        "dead letters–",
    ];
    assert_eq!(legends.unwrap(), json!([published, waiting]));
}

/// The tests above would find something.
#[tokio::test]
async fn a_message_on_the_console_is_a_complaint() {
    let world = World::start().await;
    let browser = Browser::start(1000, 800).await;
    open(&browser, &world.server).await;

    let message = "console.warn('a planted message')";
    browser.client.execute(message, Vec::new()).await.unwrap();

    let complaints = browser.complaints().await;
    assert!(
        matches!(&complaints[..], [it] if it.contains("a planted message")),
        "{complaints:?}"
    );
}

/// The tests above would find something.
#[tokio::test]
async fn axe_is_at_work() {
    let world = World::start().await;
    let browser = Browser::start(1000, 800).await;
    open(&browser, &world.server).await;
    let spoil = "document.documentElement.removeAttribute('lang');
                 document.getElementById('sentence').style.color = '#eee'";
    browser.client.execute(spoil, Vec::new()).await.unwrap();

    let broken = browser.broken_rules().await;

    let rules: Vec<_> = broken.iter().map(|(rule, _)| rule.as_str()).collect();
    assert_eq!(rules, ["color-contrast", "html-has-lang"]);
}
