//! The request and the answer of a quote: a cart without totals, and what a PUT of that cart would freeze.

use std::collections::HashSet;

use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    carts::NamedQuote,
    domain::{
        cart::{CartContent, LINES_MAX, QuotedLine, RequestedDiscount, ShippingAddress, Totals},
        ids::VendorStoreId,
        money::Money,
        violation::Violation,
    },
    http::json::{FromJson, Node, Shape, request_body},
};

use super::{
    Envelope,
    cart_lines::{ItemRequestBody, Items, PricedItemBody, priced_item},
    fields::{AddressLine, Currency, DiscountCode},
    vendor_groups::{VendorGroupBody, vendor_group},
};

request_body! {
    /// The request of a quote: a cart without `totals`.
    #[schema(as = QuoteRequest)]
    pub struct QuoteRequestBody {
        /// Three capital letters; the catalogue is priced in `USD`, which is also the default.
        #[schema(value_type = Option<String>, pattern = "^[A-Z]{3}$", default = "USD")]
        currency: Option<Currency>,
        /// The address for the goods.
        shipping_address: Option<AddressBody>,
        /// The lines; a product may be in one of them only.
        #[schema(value_type = Vec<ItemRequestBody>, min_items = 1, max_items = 200)]
        items: Items,
        /// Codes of vendors' discounts, at most one per vendor.
        #[schema(value_type = Option<BTreeSet<DiscountRequestBody>>, max_items = 200)]
        discounts: Option<Discounts>,
    }
}

request_body! {
    /// An address, kept as it was sent.
    #[schema(as = ShippingAddressRequest)]
    pub struct AddressBody {
        /// Street and number.
        line1: AddressLine,
        /// Anything that does not fit into the first line.
        line2: Option<AddressLine>,
        /// The city.
        city: AddressLine,
        /// The state.
        state: AddressLine,
        /// The postal code.
        postal_code: AddressLine,
        /// The country.
        country: AddressLine,
    }
}

request_body! {
    /// A discount code of one vendor.
    #[schema(as = DiscountRequest)]
    pub struct DiscountRequestBody {
        /// The vendor whose discount it is.
        vendor_store_id: VendorStoreId,
        /// The code, in upper or lower case; spaces at its ends do not count.
        #[schema(
            value_type = String,
            min_length = 1,
            max_length = 255,
            pattern = r"^[^\u0000-\u001f\u007f-\u009f]+$",
        )]
        code: DiscountCode,
    }
}

/// At most one discount per vendor.
#[derive(Debug, Default)]
struct Discounts(Vec<DiscountRequestBody>);

impl FromJson for Discounts {
    fn read(shape: &mut Shape, node: &Node, path: &str) -> Option<Self> {
        let discounts: Vec<DiscountRequestBody> = shape.list(node, path, LINES_MAX)?;
        let mut seen = HashSet::new();
        for (index, discount) in discounts.iter().enumerate() {
            if !seen.insert(discount.vendor_store_id) {
                let path = format!("{path}/{index}/vendor_store_id");
                shape.problem(
                    &path,
                    "has a discount already; a vendor grants one per cart",
                );
            }
        }
        Some(Self(discounts))
    }
}

impl From<QuoteRequestBody> for CartContent {
    fn from(body: QuoteRequestBody) -> Self {
        let discount = |discount: DiscountRequestBody| RequestedDiscount {
            vendor_store_id: discount.vendor_store_id,
            code: discount.code.0,
        };
        let discounts = body.discounts.unwrap_or_default();
        Self {
            currency: body
                .currency
                .map_or_else(|| "USD".to_owned(), |currency| currency.0),
            shipping_address: body.shipping_address.map(ShippingAddress::from),
            items: body.items.into(),
            discounts: discounts.0.into_iter().map(discount).collect(),
        }
    }
}

impl From<AddressBody> for ShippingAddress {
    fn from(body: AddressBody) -> Self {
        Self {
            line1: body.line1.0,
            line2: body.line2.map(|line| line.0),
            city: body.city.0,
            state: body.state.0,
            postal_code: body.postal_code.0,
            country: body.country.0,
        }
    }
}

/// The cart that a PUT would freeze now.
#[derive(Serialize, ToSchema)]
#[schema(as = Quote)]
pub struct QuoteBody<'a> {
    /// Three capital letters.
    #[schema(pattern = "^[A-Z]{3}$")]
    currency: &'a str,
    /// The `totals` of a PUT of just this; null while a line can't be priced.
    #[schema(required = true)]
    totals: Option<QuotedTotals>,
    /// The lines that can be priced, in the order in which they were sent. One that can't (its product is
    /// unknown, or another vendor's) is not there; `violations` says why.
    #[schema(max_items = 200)]
    items: Vec<PricedItemBody<'a>>,
    /// The sums of these lines per vendor, in ascending vendor id.
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
            .map(|group| vendor_group(group, vendor_names.get(&group.vendor_store_id)))
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

fn item(quoted: &QuotedLine) -> PricedItemBody<'_> {
    priced_item(quoted.position, &quoted.line)
}
