//! The demo's scenes, in their order.

mod moves;
mod webhook;

use anyhow::{Context, ensure};
use chrono::{Days, Utc};
use redis::streams::StreamRangeReply;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use sqlx::PgConnection;
use uuid::Uuid;

use splitcart::{app::App, config::Config};

use crate::db::{self, Offer, Shopper};

use super::{
    screen,
    shop::{Shop, unpriced_cart},
};

/// Five for the scenes, one to try the API with.
const SHOPPERS: u32 = 6;
const OFFERS: u32 = 3;
/// The most times that the stream is asked for an event.
const LOOKS_MAX: u32 = 200;

pub(super) struct Scenes {
    config: Config,
    base: String,
    redis_url: String,
    connection: PgConnection,
    shoppers: Vec<Shopper>,
    offers: Vec<Offer>,
}

impl Scenes {
    pub(super) async fn prepare(
        config: &Config,
        redis_url: &SecretString,
        app: &App,
        mut connection: PgConnection,
    ) -> anyhow::Result<Self> {
        let shoppers = db::find_shoppers(&mut connection, SHOPPERS).await?;
        let offers = db::find_offers(&mut connection, OFFERS).await?;
        ensure!(
            shoppers.len() == SHOPPERS as usize && offers.len() == OFFERS as usize,
            "the catalogue is used up; start with another --data-dir"
        );
        Ok(Self {
            config: config.clone(),
            base: format!("http://{}", app.http_addr()),
            redis_url: redis_url.expose_secret().to_owned(),
            connection,
            shoppers,
            offers,
        })
    }

    pub(super) async fn play(&mut self) -> anyhow::Result<()> {
        self.buy_everything().await?;
        let (shop, key, body, first) = self.buy_what_is_left().await?;
        screen::heading(3, "The same request again: the first answer, to the byte");
        let again = shop.check_out(&key, &body).await?;
        ensure!(again.replayed && again.body == first, "the replay differs");
        screen::facts(&[
            ("Idempotency-Key", key.clone()),
            ("status", again.status.to_string()),
            ("Idempotency-Replayed", again.replayed.to_string()),
            (
                "bytes",
                format!("{} of {} the same", again.body.len(), first.len()),
            ),
        ]);
        screen::heading(4, "The same key for another request: refused");
        let other = json!({ "cart_id": Uuid::now_v7() });
        let refused = shop.check_out(&key, &other).await?;
        ensure!(refused.status == 409, "a reused key is refused");
        let error = refused.json()?["error"].clone();
        screen::facts(&[
            ("status", refused.status.to_string()),
            (
                "code",
                error["code"].as_str().unwrap_or_default().to_owned(),
            ),
            (
                "message",
                error["message"].as_str().unwrap_or_default().to_owned(),
            ),
        ]);
        let data: Value = serde_json::from_slice(&first)?;
        self.show_event(&data["data"]["checkout_group_id"]).await?;
        self.move_orders().await?;
        self.receive_webhook().await
    }

    async fn buy_everything(&self) -> anyhow::Result<()> {
        screen::heading(1, "A cart of three vendors is frozen and bought");
        let shop = self.shop(0)?;
        let (_, cart) = shop.freeze(self.cart(&[0, 1, 2])).await?;
        screen::cart(&cart);
        screen::checkout(&checked_out(&shop, &cart).await?);
        Ok(())
    }

    /// Returns the shop, the key, the body and the answer of the checkout.
    async fn buy_what_is_left(&mut self) -> anyhow::Result<(Shop, String, Value, Vec<u8>)> {
        screen::heading(
            2,
            "After a cart was frozen, its first product is bought up and its second vendor's \
             licence lapses",
        );
        let shop = self.shop(1)?;
        let (_, cart) = shop.freeze(self.cart(&[0, 1, 2])).await?;
        self.buy_up(0).await?;
        let vendor = self.offers[1].vendor_store_id;
        let yesterday = Utc::now().date_naive() - Days::new(1);
        let last_day = db::set_license_end(&mut self.connection, vendor, Some(yesterday)).await?;
        let key = Uuid::now_v7().to_string();
        let body = json!({ "cart_id": cart["id"] });
        let answer = shop.check_out(&key, &body).await?;
        // So that the next demo finds the vendor as this one did.
        db::set_license_end(&mut self.connection, vendor, last_day).await?;
        let data = answer.data(201)?;
        screen::checkout(&data);
        let rejected = data["rejected_vendors"].as_array().map_or(0, Vec::len);
        ensure!(
            rejected == 2,
            "two vendors have rejected lines, not {rejected}"
        );
        Ok((shop, key, body, answer.body))
    }

    /// Somebody else takes all there is of an offer.
    async fn buy_up(&mut self, index: usize) -> anyhow::Result<()> {
        let left = db::available_qty(&mut self.connection, self.offers[index].product_id);
        let left = left.await?;
        let shop = self.shop(2)?;
        let (_, cart) = shop
            .freeze(unpriced_cart(&[(&self.offers[index], left)]))
            .await?;
        let group = checked_out(&shop, &cart).await?["checkout_group_id"].clone();
        println!(
            "   (another buyer took all {left}: checkout group {})",
            text(&group)
        );
        Ok(())
    }

    async fn show_event(&self, group_id: &Value) -> anyhow::Result<()> {
        let stream = &self.config.outbox.stream;
        screen::heading(
            5,
            &format!("What was announced on the Redis Stream `{stream}`"),
        );
        let client = redis::Client::open(self.redis_url.as_str())?;
        let mut redis = client.get_multiplexed_async_connection().await?;
        for _ in 0..LOOKS_MAX {
            let entries: StreamRangeReply = redis::cmd("XREVRANGE")
                .arg(stream)
                .arg("+")
                .arg("-")
                .query_async(&mut redis)
                .await?;
            for entry in entries.ids {
                let event: String = entry.get("event").context("an entry has an event")?;
                let event: Value = serde_json::from_str(&event)?;
                if event["aggregate_id"] == *group_id {
                    let pretty = serde_json::to_string_pretty(&event)?;
                    println!("   entry {}", entry.id);
                    pretty.lines().for_each(|line| println!("   {line}"));
                    return Ok(());
                }
            }
            tokio::time::sleep(std::time::Duration::from_millis(25)).await;
        }
        anyhow::bail!("the event was not published")
    }

    /// Prints the commands to do the same by hand.
    pub(super) async fn invite(&mut self) -> anyhow::Result<()> {
        let shop = self.shop(5)?;
        let vendor = self.vendor(&self.offers[1].clone()).await?;
        let (cart, _) = shop.freeze(self.cart(&[1, 2])).await?;
        // A line of the cart on a line of the terminal.
        let cart = serde_json::to_string_pretty(&cart)?;
        let (base, product) = (&self.base, self.offers[1].product_id);
        println!("\nTry it yourself, one step after the other:\n");
        println!("TOKEN={}\n", shop.token);
        println!("VENDOR={}\n", vendor.token);
        println!("# Freeze a cart. Another key freezes it anew; wrong totals are refused.");
        println!(
            "curl -sS -w '\\n' -X PUT {base}/api/v1/cart -H \"Authorization: Bearer $TOKEN\" \\\n  \
             -H 'Content-Type: application/json' -H \"Idempotency-Key: $(date +%s%N)\" \\\n  \
             -d '{cart}'\n"
        );
        println!("# Look at it.");
        println!(
            "curl -sS -w '\\n' {base}/api/v1/cart -H \"Authorization: Bearer $TOKEN\" | tee cart.json\n"
        );
        println!("# Buy it. The last command again: the same bytes, Idempotency-Replayed: true.");
        println!(
            "CART=$(grep -o '\"id\":\"[^\"]*' cart.json | head -1 | cut -d'\"' -f4); KEY=$(date +%s%N)"
        );
        println!(
            "curl -sS -w '\\n' -i -X POST {base}/api/v1/checkout -H \"Authorization: Bearer $TOKEN\" \\\n  \
             -H 'Content-Type: application/json' -H \"Idempotency-Key: $KEY\" \\\n  \
             -d \"{{\\\"cart_id\\\": \\\"$CART\\\"}}\" | tee checkout.json\n"
        );
        println!("# Read what was bought.");
        println!(
            "curl -sS -w '\\n' {base}/api/v1/checkout-groups/$(grep -o '\"checkout_group_id\":\"[^\"]*' \
             checkout.json | cut -d'\"' -f4) -H \"Authorization: Bearer $TOKEN\"\n"
        );
        println!("# One of its vendors looks at its latest order and accepts it.");
        println!(
            "ORDER=$(curl -sS \"{base}/api/v1/orders?limit=1\" -H \"Authorization: Bearer $VENDOR\" | \\\n  \
             grep -o '\"order_id\":\"[^\"]*' | cut -d'\"' -f4)"
        );
        println!(
            "curl -sS -w '\\n' -X POST {base}/api/v1/orders/$ORDER/decision -H \"Authorization: Bearer \
             $VENDOR\" \\\n  -H 'Content-Type: application/json' -H \"Idempotency-Key: $(date +%s%N)\" \\\n  \
             -d '{{\"decision\": \"accept\"}}'\n"
        );
        println!("# The buyer cancels everything.");
        println!(
            "curl -sS -w '\\n' -X POST {base}/api/v1/checkout-groups/$(grep -o '\"checkout_group_id\":\"[^\"]*' \
             checkout.json | cut -d'\"' -f4)/cancellation \\\n  -H \"Authorization: Bearer $TOKEN\" \
             -H 'Content-Type: application/json' -H \"Idempotency-Key: $(date +%s%N)\" -d '{{}}'\n"
        );
        println!("# The vendor counts its stock, and reads it.");
        println!(
            "curl -sS -w '\\n' -X PUT {base}/api/v1/inventory -H \"Authorization: Bearer $VENDOR\" \\\n  \
             -H 'Content-Type: application/json' -H \"Idempotency-Key: $(date +%s%N)\" \\\n  \
             -d '{{\"items\": [{{\"product_id\": \"{product}\", \"delta_qty\": 5}}]}}'"
        );
        println!(
            "curl -sS -w '\\n' \"{base}/api/v1/inventory?product_id={product}\" -H \"Authorization: Bearer \
             $VENDOR\""
        );
        Ok(())
    }

    fn shop(&self, index: usize) -> anyhow::Result<Shop> {
        let Shopper { user_id, store_id } = self.shoppers[index];
        Shop::enter(&self.config, &self.base, user_id, store_id.uuid())
    }

    fn cart(&self, indices: &[usize]) -> Value {
        let lines: Vec<_> = indices
            .iter()
            .map(|index| &self.offers[*index])
            .map(|offer| (offer, offer.qty))
            .collect();
        unpriced_cart(&lines)
    }
}

/// Buys a frozen cart.
async fn checked_out(shop: &Shop, cart: &Value) -> anyhow::Result<Value> {
    let key = Uuid::now_v7().to_string();
    let body = json!({ "cart_id": cart["id"] });
    shop.check_out(&key, &body).await?.data(201)
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
