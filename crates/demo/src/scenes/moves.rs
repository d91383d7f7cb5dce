//! The scenes after a checkout: a decision about lines, a fulfillment, a cancellation, and what became of
//! the stock.

use anyhow::{Context, ensure};
use serde_json::{Value, json};

use crate::{
    db::{self, Offer},
    screen,
    shop::{Shop, unpriced_cart},
};

use super::{Scenes, checked_out, text};

/// The offers whose vendors decide.
const DECIDING: usize = 1;
const CANCELED: usize = 2;

/// The stock of the products of these scenes, step by step.
struct StockTable {
    /// A vendor, and a product of theirs.
    products: Vec<(Shop, Offer)>,
    titles: Vec<String>,
    steps: Vec<(&'static str, Vec<String>)>,
}

impl Scenes {
    pub(super) async fn move_orders(&mut self) -> anyhow::Result<()> {
        let (first, canceled) = (self.offers[DECIDING].clone(), self.offers[CANCELED].clone());
        let second = db::find_another(&mut self.connection, &first)
            .await?
            .context("the vendor has another product")?;
        let lines = [first, second, canceled];
        let mut stock = self.stock_of(&lines).await?;
        stock.look("before").await?;

        screen::heading(
            6,
            "A cart of two vendors is bought, and one decides about each line",
        );
        let buyer = self.shop(3)?;
        let cart = lines.each_ref().map(|offer| (offer, offer.qty));
        let (_, cart) = buyer.freeze(unpriced_cart(&cart)).await?;
        let bought = checked_out(&buyer, &cart).await?;
        stock.look("bought").await?;
        let orders = bought["vendor_orders"].as_array();
        let orders = orders.context("a checkout has orders")?;
        let of_vendor = |offer: &Offer| {
            let is_vendors =
                |order: &&Value| order["vendor_store_id"] == json!(offer.vendor_store_id);
            orders
                .iter()
                .find(is_vendors)
                .context("each vendor has an order")
        };
        let order = of_vendor(&lines[0])?;
        let vendor = self.vendor(&lines[0]).await?;
        let decided = vendor
            .decide(order, &json!({ "lines": verdicts(order)? }))
            .await?;
        ensure!(
            decided["status"] == "partially_accepted",
            "one line is left"
        );
        screen::orders(std::slice::from_ref(&decided));
        stock.look("decided").await?;

        screen::heading(7, "The vendor hands over what it has accepted");
        let fulfilled = vendor.move_order(order, "fulfillment", &json!({})).await?;
        screen::orders(std::slice::from_ref(&fulfilled));
        stock.look("fulfilled").await?;

        screen::heading(8, "The buyer cancels the order of the other vendor");
        let note = json!({ "note": "Ordered twice by mistake" });
        let order = of_vendor(&lines[2])?;
        let canceled = buyer.move_order(order, "cancellation", &note).await?;
        screen::orders(std::slice::from_ref(&canceled));
        stock.look("canceled").await?;

        screen::heading(
            9,
            "What became of the stock: available / reserved / fulfilled",
        );
        let (titles, steps) = (&stock.titles, &stock.steps);
        screen::stock(titles, steps);
        ensure!(stock.is_whole(), "units were lost or invented");
        Ok(())
    }

    /// The owner of the vendor of an offer.
    pub(super) async fn vendor(&mut self, offer: &Offer) -> anyhow::Result<Shop> {
        let owner = db::find_vendor_owner(&mut self.connection, offer.vendor_store_id).await?;
        Shop::enter(
            &self.config,
            &self.base,
            owner,
            offer.vendor_store_id.uuid(),
        )
    }

    async fn stock_of(&mut self, offers: &[Offer]) -> anyhow::Result<StockTable> {
        let mut products = Vec::new();
        for offer in offers {
            products.push((self.vendor(offer).await?, offer.clone()));
        }
        Ok(StockTable {
            products,
            titles: Vec::new(),
            steps: Vec::new(),
        })
    }
}

/// The first line is accepted, the second one is not.
fn verdicts(order: &Value) -> anyhow::Result<Value> {
    let items = order["items"].as_array().context("an order has lines")?;
    ensure!(items.len() == 2, "the order has two lines");
    let [accepted, rejected] = [0, 1].map(|line: usize| &items[line]["line_item_id"]);
    Ok(json!([
        { "line_item_id": accepted, "decision": "accept" },
        { "line_item_id": rejected, "decision": "reject", "note": "Mold in the last batch" },
    ]))
}

impl StockTable {
    /// Asks each product's vendor.
    async fn look(&mut self, step: &'static str) -> anyhow::Result<()> {
        let mut figures = Vec::new();
        for (vendor, offer) in &self.products {
            let row = vendor.stock(offer.product_id).await?;
            if self.titles.len() < self.products.len() {
                self.titles.push(text(&row["title"]).to_owned());
            }
            figures.push(format!(
                "{} / {} / {}",
                row["available_qty"], row["reserved_qty"], row["fulfilled_qty"]
            ));
        }
        self.steps.push((step, figures));
        Ok(())
    }

    /// True if the three figures of each product come to the same sum at every step.
    fn is_whole(&self) -> bool {
        let sum = |figures: &String| -> i64 {
            let figures = figures.split(" / ").map(str::parse::<i64>);
            figures.filter_map(Result::ok).sum()
        };
        let sums = |step: &(&str, Vec<String>)| step.1.iter().map(sum).collect::<Vec<_>>();
        self.steps
            .windows(2)
            .all(|two| sums(&two[0]) == sums(&two[1]))
    }
}
