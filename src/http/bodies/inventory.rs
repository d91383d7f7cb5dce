//! A count of stock, its answer, and the list of a vendor's stock.

use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    db::inventory::ListedStock,
    domain::{
        ids::ProductId,
        stock_count::{
            CountRefusal, CountResult, CountedItem, CountedQty, ITEMS_MAX, ProductName,
            SKU_LEN_MAX, StockChange, StockItem,
        },
    },
    http::json::{FromJson, Node, Shape, request_body},
};

use super::{Envelope, orders::PageBody};

request_body! {
    /// Stock that is counted.
    #[schema(as = StockCountRequest)]
    pub struct StockCountBody {
        /// The products, each named once. They are decided one after the other, first to last.
        #[schema(value_type = Vec<StockItemBody>, min_items = 1, max_items = 1000)]
        items: Items,
    }
}

request_body! {
    /// A product and its stock: exactly one of `product_id` and `sku`, and exactly one of `on_hand_qty`,
    /// `available_qty` and `delta_qty`, unless `low_stock_threshold` stands alone.
    #[schema(as = StockItemRequest)]
    pub struct StockItemBody {
        /// The product.
        product_id: Option<ProductId>,
        /// Your own number for the product, instead of its id.
        #[schema(
            value_type = Option<String>,
            min_length = 1,
            max_length = 255,
            pattern = r"^[^\u0000-\u001f\u007f-\u009f]+$",
        )]
        sku: Option<Sku>,
        /// The units on the shelf, with those that are reserved for orders; the rest becomes available.
        #[schema(value_type = Option<i32>, minimum = 0, maximum = 2_147_483_647)]
        on_hand_qty: Option<NotNegative>,
        /// The units that may still be sold, without those that are reserved for orders.
        #[schema(value_type = Option<i32>, minimum = 0, maximum = 2_147_483_647)]
        available_qty: Option<NotNegative>,
        /// The units to be added to those that may still be sold; negative to take some away.
        #[schema(value_type = Option<i32>, minimum = -2_147_483_648_i64, maximum = 2_147_483_647)]
        delta_qty: Option<Whole>,
        /// The quantity below which the stock counts as low.
        #[schema(value_type = Option<i32>, minimum = 0, maximum = 2_147_483_647)]
        low_stock_threshold: Option<NotNegative>,
        /// The version of the stock that you have seen: another one is `version_mismatch`.
        #[schema(value_type = Option<i64>, minimum = 0, maximum = 9_223_372_036_854_775_807_i64)]
        if_version: Option<Version>,
    }
}

/// The quantities of an item.
const QUANTITIES: [&str; 3] = ["on_hand_qty", "available_qty", "delta_qty"];

/// The vendor's own number for a product.
#[derive(Debug)]
struct Sku(String);

impl FromJson for Sku {
    fn read(shape: &mut Shape, node: &Node, path: &str) -> Option<Self> {
        shape.text(node, path, SKU_LEN_MAX).map(Self)
    }
}

/// A whole number of 32 bits.
#[derive(Clone, Copy, Debug)]
struct Whole(i32);

impl FromJson for Whole {
    fn read(shape: &mut Shape, node: &Node, path: &str) -> Option<Self> {
        let number = node.whole().and_then(|number| i32::try_from(number).ok());
        if number.is_none() {
            let expected = format!("must be a whole number from {} to {}", i32::MIN, i32::MAX);
            shape.problem(path, expected);
        }
        number.map(Self)
    }
}

/// A whole number of 32 bits that is not negative.
#[derive(Clone, Copy, Debug)]
struct NotNegative(i32);

impl FromJson for NotNegative {
    fn read(shape: &mut Shape, node: &Node, path: &str) -> Option<Self> {
        let number = node.whole().and_then(|number| i32::try_from(number).ok());
        let number = number.filter(|number| *number >= 0);
        if number.is_none() {
            let expected = format!("must be a whole number from 0 to {}", i32::MAX);
            shape.problem(path, expected);
        }
        number.map(Self)
    }
}

/// The version of a row of stock.
#[derive(Clone, Copy, Debug)]
struct Version(i64);

impl FromJson for Version {
    fn read(shape: &mut Shape, node: &Node, path: &str) -> Option<Self> {
        let number = node.whole().filter(|number| *number >= 0);
        if number.is_none() {
            let expected = format!("must be a whole number from 0 to {}", i64::MAX);
            shape.problem(path, expected);
        }
        number.map(Self)
    }
}

/// 1 to [`ITEMS_MAX`] items.
#[derive(Debug)]
struct Items(Vec<StockItem>);

impl FromJson for Items {
    fn read(shape: &mut Shape, node: &Node, path: &str) -> Option<Self> {
        let items: Vec<_> = shape.list(node, path, ITEMS_MAX)?;
        if items.is_empty() {
            shape.problem(path, "must have at least one item");
            return None;
        }
        Some(Self(items))
    }
}

impl FromJson for StockItem {
    fn read(shape: &mut Shape, node: &Node, path: &str) -> Option<Self> {
        let is_whole = is_one_product_and_quantity(shape, node, path);
        let body = StockItemBody::read(shape, node, path)?;
        if !is_whole {
            return None;
        }
        let product = match (body.product_id, body.sku) {
            (Some(id), _) => ProductName::Id(id),
            (None, Some(Sku(sku))) => ProductName::Sku(sku),
            (None, None) => return None,
        };
        let on_hand = body.on_hand_qty.map(|qty| CountedQty::OnHand(qty.0));
        let available = body.available_qty.map(|qty| CountedQty::Available(qty.0));
        let delta = body.delta_qty.map(|qty| CountedQty::Delta(qty.0));
        let change = StockChange {
            qty: on_hand.or(available).or(delta),
            low_stock_threshold: body.low_stock_threshold.map(|qty| qty.0),
            if_version: body.if_version.map(|version| version.0),
        };
        Some(Self { product, change })
    }
}

/// Notes what is missing in an item and what is too much. What is no object is left to its reader.
fn is_one_product_and_quantity(shape: &mut Shape, node: &Node, path: &str) -> bool {
    let Node::Object(fields) = node else {
        return true;
    };
    let has = |name: &&str| {
        let given = |(known, value): &(String, Node)| known == name && *value != Node::Null;
        fields.iter().any(given)
    };
    let names = ["product_id", "sku"]
        .iter()
        .filter(|name| has(name))
        .count();
    if names != 1 {
        shape.problem(path, "must have exactly one of product_id and sku");
    }
    let quantities = QUANTITIES.iter().filter(|name| has(name)).count();
    let is_complete = quantities == 1 || (quantities == 0 && has(&"low_stock_threshold"));
    if !is_complete {
        shape.problem(
            path,
            "must have exactly one of on_hand_qty, available_qty and delta_qty, or low_stock_threshold alone",
        );
    }
    names == 1 && is_complete
}

impl From<StockCountBody> for Vec<StockItem> {
    fn from(body: StockCountBody) -> Self {
        body.items.0
    }
}

/// What became of the items.
#[derive(Serialize, ToSchema)]
#[schema(as = StockCount)]
pub struct StockCountAnswerBody<'a> {
    /// One per item, in the same order.
    #[schema(min_items = 1, max_items = 1000)]
    results: Vec<StockResultBody<'a>>,
}

/// What became of an item.
#[derive(Serialize, ToSchema)]
#[schema(as = StockResult)]
struct StockResultBody<'a> {
    /// The product; null if the item names one by an unknown `sku`.
    #[schema(required = true)]
    product_id: Option<ProductId>,
    /// Your own number for it; null if the item names one by an unknown `product_id`.
    #[schema(required = true)]
    sku: Option<&'a str>,
    /// What became of the item.
    result: StockOutcome,
    /// The reason why it is refused; left out if it is not.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<CountRefusal>,
    /// The units that may be sold, after this item; null without a product.
    #[schema(required = true, minimum = 0)]
    available_qty: Option<i32>,
    /// The units that are reserved for orders; null without a product.
    #[schema(required = true, minimum = 0)]
    reserved_qty: Option<i32>,
    /// Counts the changes by counts and imports, not reservations; null without a product.
    #[schema(required = true, minimum = 0)]
    version: Option<i64>,
}

/// What became of an item, in a word.
#[derive(Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum StockOutcome {
    Changed,
    Unchanged,
    Refused,
}

/// The body of a count's response.
pub fn render(items: &[CountedItem]) -> Vec<u8> {
    let data = StockCountAnswerBody {
        results: items.iter().map(result).collect(),
    };
    serde_json::to_vec(&Envelope { data }).expect("a count is JSON")
}

fn result(item: &CountedItem) -> StockResultBody<'_> {
    let (result, reason) = match item.result {
        CountResult::Changed => (StockOutcome::Changed, None),
        CountResult::Unchanged => (StockOutcome::Unchanged, None),
        CountResult::Refused(reason) => (StockOutcome::Refused, Some(reason)),
    };
    StockResultBody {
        product_id: item.product_id,
        sku: item.sku.as_deref(),
        result,
        reason,
        available_qty: item.row.map(|row| row.available_qty),
        reserved_qty: item.row.map(|row| row.reserved_qty),
        version: item.row.map(|row| row.version),
    }
}

/// The stock of a product.
#[derive(Serialize, ToSchema)]
#[schema(as = InventoryItem)]
pub struct InventoryItemBody<'a> {
    /// The product.
    product_id: ProductId,
    /// Your own number for it.
    sku: &'a str,
    /// The product's name, for people.
    title: &'a str,
    /// True if it is sold.
    is_active: bool,
    /// The units that may be sold.
    #[schema(minimum = 0)]
    available_qty: i32,
    /// The units that are reserved for orders.
    #[schema(minimum = 0)]
    reserved_qty: i32,
    /// The units that have left with their orders.
    #[schema(minimum = 0)]
    fulfilled_qty: i64,
    /// The quantity below which the stock counts as low.
    #[schema(minimum = 0)]
    low_stock_threshold: i32,
    /// Counts the changes by counts and imports, not reservations.
    #[schema(minimum = 0)]
    version: i64,
    /// The time of the last change.
    updated_at: DateTime<Utc>,
}

#[derive(Serialize)]
struct PageEnvelope<'a> {
    data: Vec<InventoryItemBody<'a>>,
    page: PageBody,
}

/// The body of a page's response.
pub fn render_page(listed: &[ListedStock], next_cursor: Option<String>) -> Vec<u8> {
    let envelope = PageEnvelope {
        data: listed.iter().map(inventory_item).collect(),
        page: PageBody::continued_at(next_cursor),
    };
    serde_json::to_vec(&envelope).expect("stock is JSON")
}

fn inventory_item(listed: &ListedStock) -> InventoryItemBody<'_> {
    InventoryItemBody {
        product_id: listed.product_id,
        sku: &listed.sku,
        title: &listed.title,
        is_active: listed.is_active,
        available_qty: listed.available_qty,
        reserved_qty: listed.reserved_qty,
        fulfilled_qty: listed.fulfilled_qty,
        low_stock_threshold: listed.low_stock_threshold,
        version: listed.version,
        updated_at: listed.updated_at,
    }
}
