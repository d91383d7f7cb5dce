//! The rules that a cart must satisfy to be frozen (PF-075): every rule is checked and every violation
//! reported, so that a buyer can repair a cart in one go.
//!
//! The same function prices and checks a quote and a PUT; a PUT compares the buyer's totals in addition. A
//! line whose product is unknown, or another vendor's, has no price. The totals are not compared then,
//! because the difference would say nothing new.

use std::collections::{BTreeMap, HashMap, HashSet};

use chrono::{DateTime, Utc};

use super::{
    cart::{
        CURRENCIES, CartContent, CartLine, CartRequest, GrantedDiscount, PricedCart, Quote,
        QuotedLine, RequestedItem, Totals, group_by_vendor, vendor_totals,
    },
    ids::{ProductId, VendorStoreId},
    money::Money,
    pricing::{LinePrice, StoreDiscount, price_line},
    product::Product,
    store::{EligibleBuyer, EligibleVendor, Store},
    vendor_ineligible::VendorIneligible,
    violation::{Violation, ViolationCode as Code},
};

/// The part of the catalogue that a cart mentions.
#[derive(Clone, Debug, Default)]
pub struct Catalog {
    /// The products that exist.
    pub products: HashMap<ProductId, Product>,
    /// The stores of the vendors.
    pub vendors: HashMap<VendorStoreId, Store>,
    /// The discounts that were asked for and exist, by vendor: a cart has one per vendor at most.
    pub discounts: HashMap<VendorStoreId, StoreDiscount>,
}

/// Checks a cart against the catalogue as it is now and prices it.
///
/// # Errors
/// All violations, in the order: currency, lines, vendors, discounts, totals. Never an empty list.
pub fn check_cart(
    request: &CartRequest,
    catalog: &Catalog,
    buyer: &EligibleBuyer,
    now: DateTime<Utc>,
) -> Result<PricedCart, Vec<Violation>> {
    let quote = quote(&request.content, catalog, buyer, now);
    let mut violations = quote.violations;
    if let Some(totals) = quote.totals {
        compare_totals(request.totals, totals, &mut violations);
    }
    match quote.totals {
        Some(totals) if violations.is_empty() => Ok(PricedCart {
            currency: quote.currency,
            shipping_address: request.content.shipping_address.clone(),
            lines: quote.lines.into_iter().map(|quoted| quoted.line).collect(),
            discounts: quote.discounts,
            totals,
        }),
        _ => Err(violations),
    }
}

/// Prices a cart by the catalogue as it is now, as far as it can be priced, and finds all violations but
/// those of totals, in the order of [`check_cart`].
pub fn quote(
    request: &CartContent,
    catalog: &Catalog,
    buyer: &EligibleBuyer,
    now: DateTime<Utc>,
) -> Quote {
    let mut violations = Vec::new();
    if !CURRENCIES.contains(&request.currency.as_str()) {
        violations.push(
            Violation::new(Code::CurrencyUnsupported, "/currency")
                .figures(CURRENCIES.join(", "), request.currency.clone()),
        );
    }
    let lines = check_lines(&request.items, catalog, &mut violations);
    check_vendors(request, catalog, &lines, buyer, now, &mut violations);
    let discounts = check_discounts(request, catalog, &lines, now, &mut violations);
    let is_whole = lines.len() == request.items.len();
    let totals = is_whole.then(|| cart_totals(lines.iter().map(|quoted| &quoted.line), &discounts));
    assert!(
        is_whole || !violations.is_empty(),
        "a line that can't be priced is in violation"
    );
    Quote {
        currency: request.currency.clone(),
        lines,
        discounts,
        totals,
        violations,
    }
}

/// Checks and prices the lines. Lines that can't be priced are left out of the result.
fn check_lines(
    items: &[RequestedItem],
    catalog: &Catalog,
    violations: &mut Vec<Violation>,
) -> Vec<QuotedLine> {
    let mut seen = HashSet::new();
    let mut room = Money::MAX;
    let mut lines = Vec::with_capacity(items.len());
    for (index, item) in items.iter().enumerate() {
        let at = |code, field| {
            Violation::new(code, format!("/items/{index}/{field}"))
                .product(item.product_id)
                .vendor(item.vendor_store_id)
        };
        if !seen.insert(item.product_id) {
            violations.push(at(Code::DuplicateProduct, "product_id"));
        }
        let Some(product) = catalog.products.get(&item.product_id) else {
            violations.push(at(Code::ProductNotFound, "product_id"));
            continue;
        };
        if product.vendor_store_id != item.vendor_store_id {
            violations.push(at(Code::VendorMismatch, "vendor_store_id"));
            continue;
        }
        if !product.is_active {
            violations.push(at(Code::ProductInactive, "product_id"));
        }
        if item.qty < product.moq {
            violations.push(at(Code::MoqNotMet, "qty").figures(product.moq, item.qty));
        }
        let exceeded = product.max_qty.filter(|max_qty| item.qty > *max_qty);
        if let Some(max_qty) = exceeded {
            violations.push(at(Code::MaxQtyExceeded, "qty").figures(max_qty, item.qty));
        }
        let limit = product.purchase_limit;
        if let Some(limit) = limit.filter(|limit| item.qty > limit.qty) {
            violations.push(at(Code::PurchaseLimitReached, "qty").figures(limit.qty, item.qty));
        }
        if item.qty > product.available_qty {
            violations.push(
                at(Code::InsufficientInventory, "qty").figures(product.available_qty, item.qty),
            );
        }
        let price = price_line(product.price, &product.tiers, item.qty);
        // A line worth more than an amount of money can hold is more than anyone sells at once.
        if price.subtotal > room {
            if exceeded.is_none() {
                violations.push(at(Code::MaxQtyExceeded, "qty"));
            }
            continue;
        }
        room = room - price.subtotal;
        if let Some(sent) = item.unit_price.filter(|sent| *sent != price.unit_price) {
            violations
                .push(at(Code::UnitPriceMismatch, "unit_price").figures(price.unit_price, sent));
        }
        if let Some(sent) = item.line_total.filter(|sent| *sent != price.total) {
            violations.push(at(Code::LineTotalMismatch, "line_total").figures(price.total, sent));
        }
        lines.push(QuotedLine {
            position: index,
            line: freeze(product, item.qty, price),
        });
    }
    lines
}

/// A line of a product at a price, with everything that a cart keeps of the product.
pub fn freeze(product: &Product, qty: i32, price: LinePrice) -> CartLine {
    CartLine {
        product_id: product.id,
        vendor_store_id: product.vendor_store_id,
        sku: product.sku.clone(),
        title: product.title.clone(),
        unit: product.unit,
        image_url: product.image_url.clone(),
        qty,
        moq: product.moq,
        max_qty: product.max_qty,
        price,
    }
}

/// Reports each vendor once, at its first line. A vendor that does not exist and sells nothing here is not
/// reported besides its lines' own violations.
fn check_vendors(
    request: &CartContent,
    catalog: &Catalog,
    lines: &[QuotedLine],
    buyer: &EligibleBuyer,
    now: DateTime<Utc>,
    violations: &mut Vec<Violation>,
) {
    let mut seen = HashSet::new();
    for (index, item) in request.items.iter().enumerate() {
        let vendor = item.vendor_store_id;
        if !seen.insert(vendor) {
            continue;
        }
        let reasons = match catalog.vendors.get(&vendor) {
            Some(store) => EligibleVendor::admit(store, buyer, now).err(),
            None if lines
                .iter()
                .any(|quoted| quoted.line.vendor_store_id == vendor) =>
            {
                Some(vec![VendorIneligible::VendorLicenseInvalid])
            }
            None => None,
        };
        for reason in reasons.unwrap_or_default() {
            let path = format!("/items/{index}/vendor_store_id");
            violations.push(Violation::new(Code::from(reason), path).vendor(vendor));
        }
    }
}

fn check_discounts(
    request: &CartContent,
    catalog: &Catalog,
    lines: &[QuotedLine],
    now: DateTime<Utc>,
    violations: &mut Vec<Violation>,
) -> Vec<GrantedDiscount> {
    let groups = group_by_vendor(lines.iter().map(|quoted| &quoted.line));
    let mut granted = Vec::with_capacity(request.discounts.len());
    for (index, asked) in request.discounts.iter().enumerate() {
        let vendor = asked.vendor_store_id;
        let at = |code| Violation::new(code, format!("/discounts/{index}/code")).vendor(vendor);
        let claimed = request
            .items
            .iter()
            .filter(|item| item.vendor_store_id == vendor)
            .count();
        let found = catalog.discounts.get(&vendor);
        let meant = found.filter(|discount| claimed > 0 && discount.answers_to(&asked.code));
        let Some(discount) = meant else {
            violations.push(at(Code::DiscountNotFound));
            continue;
        };
        if !discount.is_running(now) {
            violations.push(at(Code::DiscountInactive));
            continue;
        }
        // A line that could not be priced leaves no sum to judge by, and is in violation already.
        let vendor_lines = groups.get(&vendor).map_or(&[][..], Vec::as_slice);
        if vendor_lines.len() < claimed {
            continue;
        }
        let sum: Money = vendor_lines.iter().map(|line| line.price.total).sum();
        if sum < discount.min_subtotal {
            violations.push(at(Code::DiscountMinSubtotal).figures(discount.min_subtotal, sum));
            continue;
        }
        granted.push(GrantedDiscount {
            vendor_store_id: vendor,
            code: discount.code.clone(),
            title: discount.title.clone(),
            terms: discount.terms,
            amount: discount.terms.amount_off(sum),
        });
    }
    granted
}

/// The totals of lines and store discounts.
pub fn cart_totals<'a>(
    lines: impl IntoIterator<Item = &'a CartLine>,
    discounts: &[GrantedDiscount],
) -> Totals {
    let terms: BTreeMap<_, _> = discounts
        .iter()
        .map(|granted| (granted.vendor_store_id, granted.terms))
        .collect();
    group_by_vendor(lines)
        .into_iter()
        .map(|(vendor, lines)| {
            vendor_totals(
                lines.iter().map(|line| &line.price),
                terms.get(&vendor).copied(),
            )
        })
        .sum()
}

fn compare_totals(sent: Totals, ours: Totals, violations: &mut Vec<Violation>) {
    for (code, field, ours, sent) in [
        (
            Code::SubtotalMismatch,
            "subtotal",
            ours.subtotal,
            sent.subtotal,
        ),
        (
            Code::DiscountMismatch,
            "discount_total",
            ours.discount_total,
            sent.discount_total,
        ),
        (Code::TotalMismatch, "total", ours.total, sent.total),
    ] {
        if ours != sent {
            violations.push(Violation::new(code, format!("/totals/{field}")).figures(ours, sent));
        }
    }
}
