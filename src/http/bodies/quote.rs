//! How a quote looks to a client: as the cart would, without ids, because nothing of it exists.

use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    carts::NamedQuote,
    domain::{
        cart::{QuotedLine, Totals},
        ids::{ProductId, VendorStoreId},
        money::{Money, Percent},
        product::Unit,
        violation::Violation,
    },
};

use super::{
    Envelope,
    cart::{self, VendorGroupBody},
};

/// What a PUT of a cart would freeze now.
#[derive(Serialize, ToSchema)]
#[schema(as = Quote)]
pub struct QuoteBody<'a> {
    /// Three capitals.
    #[schema(pattern = "^[A-Z]{3}$")]
    currency: &'a str,
    /// The `totals` of a PUT of just this; null while a line can't be priced.
    #[schema(required = true)]
    totals: Option<QuotedTotals>,
    /// The lines that can be priced, in the order in which they were sent. One that can't (its product is
    /// unknown, or another vendor's) is not there; `violations` says why.
    #[schema(max_items = 200)]
    items: Vec<QuoteItemBody<'a>>,
    /// What these lines come to per vendor, in ascending vendor id.
    vendor_groups: Vec<VendorGroupBody<'a>>,
    /// All rules that are broken: with any, the PUT would be refused. Empty where it would be accepted.
    violations: &'a [Violation],
}

/// The three figures of a cart.
#[derive(Serialize, ToSchema)]
pub struct QuotedTotals {
    /// The sum of list price x quantity.
    subtotal: Money,
    /// All tier and store discounts.
    discount_total: Money,
    /// Subtotal less discounts.
    total: Money,
}

/// A line as it would be frozen.
#[derive(Serialize, ToSchema)]
#[schema(as = QuoteItem)]
pub struct QuoteItemBody<'a> {
    /// Its place in the request, from 0.
    #[schema(minimum = 0, maximum = 199)]
    position: usize,
    /// What.
    product_id: ProductId,
    /// Whose.
    vendor_store_id: VendorStoreId,
    /// The vendor's own number for it.
    sku: &'a str,
    /// Its name, for people.
    title: &'a str,
    /// What one unit of quantity is.
    unit: Unit,
    /// Where a picture of it is.
    #[schema(required = true)]
    image_url: Option<&'a str>,
    /// How many.
    #[schema(minimum = 1)]
    qty: i32,
    /// The least quantity that is sold at once.
    #[schema(minimum = 1)]
    moq: i32,
    /// The greatest quantity that is sold at once; null without a cap.
    #[schema(required = true, minimum = 1)]
    max_qty: Option<i32>,
    /// Per unit, before the volume tier.
    list_price: Money,
    /// From how many on the tier holds that is applied; null where none is.
    #[schema(required = true, minimum = 1)]
    volume_discount_min_qty: Option<i32>,
    /// What that tier takes off each unit.
    #[schema(required = true)]
    volume_discount_percent: Option<Percent>,
    /// Per unit, after the tier: the `unit_price` of a PUT.
    unit_price: Money,
    /// List price x quantity.
    line_subtotal: Money,
    /// What the tier takes off the whole line.
    line_discount: Money,
    /// Unit price x quantity: the `line_total` of a PUT.
    line_total: Money,
}

/// The body of a quote's response.
pub fn render(named: &NamedQuote) -> Vec<u8> {
    let NamedQuote {
        quote,
        vendor_names,
    } = named;
    let body = QuoteBody {
        currency: &quote.currency,
        totals: quote.totals.map(totals),
        items: quote.lines.iter().map(item).collect(),
        vendor_groups: quote
            .vendor_groups()
            .into_iter()
            .map(|group| cart::vendor_group(group, vendor_names.get(&group.vendor_store_id)))
            .collect(),
        violations: &quote.violations,
    };
    serde_json::to_vec(&Envelope { data: body }).expect("a quote is JSON")
}

const fn totals(totals: Totals) -> QuotedTotals {
    QuotedTotals {
        subtotal: totals.subtotal,
        discount_total: totals.discount_total,
        total: totals.total,
    }
}

fn item(quoted: &QuotedLine) -> QuoteItemBody<'_> {
    let QuotedLine { position, line } = quoted;
    QuoteItemBody {
        position: *position,
        product_id: line.product_id,
        vendor_store_id: line.vendor_store_id,
        sku: &line.sku,
        title: &line.title,
        unit: line.unit,
        image_url: line.image_url.as_deref(),
        qty: line.qty,
        moq: line.moq,
        max_qty: line.max_qty,
        list_price: line.price.list_price,
        volume_discount_min_qty: line.price.tier.map(|tier| tier.min_qty),
        volume_discount_percent: line.price.tier.map(|tier| tier.discount_percent),
        unit_price: line.price.unit_price,
        line_subtotal: line.price.subtotal,
        line_discount: line.price.discount,
        line_total: line.price.total,
    }
}
