//! The scene in which a vendor hears of its new order by a webhook.

use anyhow::{Context, ensure};
use serde_json::{Value, json};
use standardwebhooks::Webhook;
use tokio::net::TcpListener;

use crate::{receiver::receive, screen, shop::unpriced_cart};

use super::{Scenes, checked_out, text};

/// The offers that are bought; the first one's vendor has an endpoint.
const BOUGHT: [usize; 2] = [1, 2];

impl Scenes {
    pub(super) async fn receive_webhook(&mut self) -> anyhow::Result<()> {
        screen::heading(
            10,
            "A vendor hears of its new order by a webhook, and verifies it",
        );
        let offers = BOUGHT.map(|index| self.offers[index].clone());
        let vendor = self.vendor(&offers[0]).await?;
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}/splitcart", listener.local_addr()?);
        let (id, secret) = vendor.add_endpoint(&url).await?;

        let buyer = self.shop(4)?;
        let lines = offers.each_ref().map(|offer| (offer, offer.qty));
        let (_, cart) = buyer.freeze(unpriced_cart(&lines)).await?;
        let bought = checked_out(&buyer, &cart).await?;
        let webhook = receive(&listener).await?;

        let key = Webhook::new(&secret).context("a secret is a key")?;
        key.verify(&webhook.body, &webhook.headers)
            .context("the signature is right")?;
        let event: Value = serde_json::from_slice(&webhook.body)?;
        let orders = bought["vendor_orders"].as_array().map_or(0, Vec::len);
        ensure!(orders == 2, "two vendors have an order");
        let own = json!(offers[0].vendor_store_id);
        ensure!(
            event["data"]["vendor_store_id"] == own,
            "a vendor sees its own order"
        );
        let others = offers[1].vendor_store_id.to_string();
        let body = String::from_utf8_lossy(&webhook.body);
        ensure!(!body.contains(&others), "a vendor sees no order of others");
        let header = |name: &str| {
            let value = webhook.headers.get(name).and_then(|it| it.to_str().ok());
            value.unwrap_or_default().to_owned()
        };
        screen::facts(&[
            ("type", text(&event["type"]).to_owned()),
            ("order", text(&event["data"]["order_id"]).to_owned()),
            ("total", text(&event["data"]["total"]).to_owned()),
            ("webhook-id", header("webhook-id")),
            ("webhook-signature", header("webhook-signature")),
            ("verified", "yes, by the crate standardwebhooks".to_owned()),
        ]);
        vendor.delete_endpoint(&id).await
    }
}
