//! Properties of every cart and every checkout: money is conserved, and nothing is believed.

use std::collections::BTreeMap;

use proptest::{prelude::*, sample::Index};
use rust_decimal::Decimal;

use super::{
    market::{Market, market, naive_totals},
    support::{cents, discount, in_cents, product, product_id, vendor, vendor_id},
};
use crate::domain::{
    cart::{CartRecord, CartRequest, PricedCart, Totals},
    ids::VendorStoreId,
    money::{Money, Percent},
    order::{Checkout, LineStatus, OrderStatus},
    pricing::DiscountTerms,
    product::{Product, VolumeTier},
    violation::ViolationCode,
};

const VENDORS: u32 = 4;

fn percentages() -> impl Strategy<Value = Percent> {
    (1..=1_000_000_i64).prop_map(|parts| Percent::new(Decimal::new(parts, 4)))
}

fn tiers() -> impl Strategy<Value = Vec<VolumeTier>> {
    proptest::collection::btree_map(1..=30_i32, percentages(), 0..4)
        .prop_map(|tiers| {
            tiers
                .into_iter()
                .map(|(min_qty, discount_percent)| VolumeTier {
                    min_qty,
                    discount_percent,
                })
                .collect::<Vec<_>>()
        })
        .prop_shuffle()
}

/// A vendor, a product of it without its number, and how many of it are wanted.
fn offers() -> impl Strategy<Value = Vec<(u32, i128, Vec<VolumeTier>, i32)>> {
    let offer = (1..=VENDORS, 0..=500_000_i128, tiers(), 1..=40_i32);
    proptest::collection::vec(offer, 1..=10)
}

fn terms() -> impl Strategy<Value = DiscountTerms> {
    prop_oneof![
        percentages().prop_map(DiscountTerms::Percentage),
        (0..=1_000_000_i128).prop_map(|amount| DiscountTerms::Fixed(cents(amount))),
    ]
}

/// A market and a request for a part of everything in it, of which every figure is right.
fn carts() -> impl Strategy<Value = (Market, CartRequest)> {
    let granted = proptest::collection::btree_map(1..=VENDORS, terms(), 0..=3);
    (offers(), granted).prop_flat_map(|(offers, granted)| {
        let mut market = market();
        let mut wanted = Vec::new();
        let mut vendors = Vec::new();
        for (number, (vendor, price, tiers, qty)) in (1..).zip(offers) {
            let mut offered = product(number).sold_by(vendor);
            offered.price = cents(price);
            offered.tiers = tiers;
            market = market.selling(offered);
            wanted.push((number, qty));
            vendors.push(vendor);
        }
        let mut codes = Vec::new();
        for (vendor, terms) in granted {
            if vendors.contains(&vendor) {
                let mut spring = discount(vendor, "SPRING");
                spring.terms = terms;
                market = market.granting(spring);
                codes.push((vendor, "SPRING"));
            }
        }
        (Just(market), Just(wanted).prop_shuffle(), Just(codes)).prop_map(
            |(market, wanted, codes)| {
                let request = market.ask_with(&wanted, &codes);
                (market, request)
            },
        )
    })
}

/// The mishaps between a cart and the settlement of its checkout, by place in the cart.
#[derive(Clone, Debug)]
struct Mishaps {
    short: Vec<Index>,
    withdrawn: Vec<Index>,
    unsubscribed: Option<u32>,
}

fn mishaps() -> impl Strategy<Value = Mishaps> {
    let some = || proptest::collection::vec(any::<Index>(), 0..4);
    let vendor = proptest::option::of(1..=VENDORS);
    (some(), some(), vendor).prop_map(|(short, withdrawn, unsubscribed)| Mishaps {
        short,
        withdrawn,
        unsubscribed,
    })
}

/// Checks out after the mishaps; `None` where no vendor is left.
fn check_out(market: &Market, cart: &CartRecord, mishaps: &Mishaps) -> Option<Checkout> {
    let number = |place: &Index| {
        let id = place.get(&cart.items).1.product_id;
        (1..=100).find(|number| product_id(*number) == id).unwrap()
    };
    let mut market = market.clone();
    for place in &mishaps.withdrawn {
        let id = place.get(&cart.items).1.product_id;
        market.catalog.products.get_mut(&id).unwrap().is_active = false;
    }
    if let Some(number) = mishaps.unsubscribed {
        let vendors_line = |vendor| {
            cart.items
                .iter()
                .any(|(_, it)| it.vendor_store_id == vendor)
        };
        if (1..=VENDORS)
            .filter(|vendor| vendors_line(vendor_id(*vendor)))
            .eq([number])
        {
            return None;
        }
        market = market.with(vendor(number).unsubscribed());
    }
    let short: Vec<_> = mishaps
        .short
        .iter()
        .map(|place| (number(place), 0))
        .collect();
    Some(market.check_out(cart, &short))
}

/// The naive figures of those lines of a checkout that were reserved.
fn naive_reserved(market: &Market, cart: &CartRecord, checkout: &Checkout) -> Totals {
    let reserved = checkout
        .orders
        .iter()
        .flat_map(|order| &order.lines)
        .filter(|line| line.status == LineStatus::Pending)
        .map(|line| (&market.catalog.products[&line.product_id], line.qty));
    naive_totals(reserved, &granted_terms(&cart.discounts))
}

fn granted_terms(
    discounts: &[crate::domain::cart::GrantedDiscount],
) -> BTreeMap<VendorStoreId, DiscountTerms> {
    discounts
        .iter()
        .map(|granted| (granted.vendor_store_id, granted.terms))
        .collect()
}

/// A request whose every figure is taken from a priced cart.
fn request_of(cart: &PricedCart, request: &CartRequest) -> CartRequest {
    let mut request = request.clone();
    for (item, line) in request.content.items.iter_mut().zip(&cart.lines) {
        item.unit_price = Some(line.price.unit_price);
        item.line_total = Some(line.price.total);
    }
    request.totals = cart.totals;
    request
}

/// Changes one figure of a request by a cent; answers what must be said about it, and where.
fn perturb(request: &mut CartRequest, place: Index, figure: usize) -> (ViolationCode, String) {
    let index = place.index(request.content.items.len());
    let item = &mut request.content.items[index];
    let totals = &mut request.totals;
    let (code, path, figure): (_, _, &mut Money) = match figure {
        0 => (
            ViolationCode::UnitPriceMismatch,
            format!("/items/{index}/unit_price"),
            item.unit_price.as_mut().unwrap(),
        ),
        1 => (
            ViolationCode::LineTotalMismatch,
            format!("/items/{index}/line_total"),
            item.line_total.as_mut().unwrap(),
        ),
        2 => (
            ViolationCode::SubtotalMismatch,
            "/totals/subtotal".to_owned(),
            &mut totals.subtotal,
        ),
        3 => (
            ViolationCode::DiscountMismatch,
            "/totals/discount_total".to_owned(),
            &mut totals.discount_total,
        ),
        _ => (
            ViolationCode::TotalMismatch,
            "/totals/total".to_owned(),
            &mut totals.total,
        ),
    };
    let by = if figure.is_zero() || place.index(2) == 0 {
        1
    } else {
        -1
    };
    *figure = cents(in_cents(*figure) + by);
    (code, path)
}

fn product_of<'a>(market: &'a Market, request: &CartRequest, index: usize) -> &'a Product {
    &market.catalog.products[&request.content.items[index].product_id]
}

proptest! {
    #[test]
    fn a_cart_is_the_sum_of_its_vendors_and_of_its_lines_less_discounts((market, request) in carts()) {
        let cart = market.freeze(&request);
        prop_assert_eq!(cart.head.totals, request.totals);
        let groups: Totals = cart.vendor_groups().iter().map(|group| group.totals).sum();
        prop_assert_eq!(groups, cart.head.totals);
        let lines: Money = cart.items.iter().map(|(_, line)| line.price.total).sum();
        let off: Money = cart.discounts.iter().map(|granted| granted.amount).sum();
        prop_assert_eq!(lines - off, cart.head.totals.total);
        for (figures, vendor) in cart.vendor_groups().iter().map(|group| (group.totals, group.vendor_store_id)) {
            prop_assert!(figures.total >= Money::ZERO, "{vendor} pays the buyer");
            prop_assert_eq!(figures.subtotal - figures.discount_total, figures.total);
        }
        for (index, (_, line)) in cart.items.iter().enumerate() {
            prop_assert_eq!(line.price.list_price, product_of(&market, &request, index).price);
            prop_assert_eq!(line.price.subtotal - line.price.discount, line.price.total);
        }
    }

    #[test]
    fn a_cart_is_accepted_exactly_when_it_says_what_it_was_priced_at(
        (market, request) in carts(),
        place in any::<Index>(),
        figure in 0..5_usize,
    ) {
        let priced = market.check(&request).unwrap();
        let mut echoed = request_of(&priced, &request);
        prop_assert_eq!(market.check(&echoed), Ok(priced));
        let (code, path) = perturb(&mut echoed, place, figure);
        let violations = market.violations(&echoed);
        prop_assert_eq!(violations.len(), 1);
        prop_assert_eq!(violations[0].code, code);
        prop_assert_eq!(&violations[0].path, &path);
        prop_assert!(violations[0].expected.is_some() && violations[0].actual.is_some());
        prop_assert_ne!(&violations[0].expected, &violations[0].actual);
    }

    /// Figures of a buyer's own included: they are compared in a quote as in a PUT.
    #[test]
    fn a_quote_says_what_a_put_of_its_totals_says(
        (market, mut request) in carts(),
        place in any::<Index>(),
        figure in 0..4_usize,
    ) {
        if figure < 2 {
            perturb(&mut request, place, figure);
        }
        if figure == 2 {
            let index = place.index(request.content.items.len());
            request.content.items[index].product_id = product_id(999);
        }
        let quote = market.quote(&request.content);
        request.totals = quote.totals.unwrap_or_default();
        match market.check(&request) {
            Ok(cart) => {
                prop_assert_eq!(&quote.violations, &[]);
                prop_assert_eq!(quote.totals, Some(cart.totals));
                let lines: Vec<_> = quote.lines.into_iter().map(|quoted| quoted.line).collect();
                prop_assert_eq!((lines, quote.discounts), (cart.lines, cart.discounts));
            }
            Err(violations) => prop_assert_eq!(quote.violations, violations),
        }
    }

    #[test]
    fn a_checkout_of_which_all_is_reserved_costs_what_the_cart_did((market, request) in carts()) {
        let cart = market.freeze(&request);
        prop_assert_eq!(market.check_out(&cart, &[]).group.totals, cart.head.totals);
    }

    #[test]
    fn a_checkout_is_the_sum_of_its_orders_over_reserved_lines(
        (market, request) in carts(),
        mishaps in mishaps(),
    ) {
        let cart = market.freeze(&request);
        let Some(checkout) = check_out(&market, &cart, &mishaps) else {
            return Ok(());
        };
        let orders: Totals = checkout.orders.iter().map(|order| order.totals).sum();
        prop_assert_eq!(checkout.group.totals, orders);
        prop_assert_eq!(orders, naive_reserved(&market, &cart, &checkout));
        prop_assert!(checkout.group.totals.total <= cart.head.totals.subtotal);
        for order in &checkout.orders {
            let owed = order.payment_intent.map_or(Money::ZERO, |intent| intent.amount);
            prop_assert_eq!(owed, order.totals.total);
            prop_assert_eq!(order.balance_due, order.totals.total);
        }
    }

    #[test]
    fn every_line_of_the_cart_is_in_one_order_and_says_why_if_it_was_rejected(
        (market, request) in carts(),
        mishaps in mishaps(),
    ) {
        let cart = market.freeze(&request);
        let Some(checkout) = check_out(&market, &cart, &mishaps) else {
            return Ok(());
        };
        prop_assert!(checkout.orders.is_sorted_by(|a, b| a.vendor_store_id < b.vendor_store_id));
        let mut positions = Vec::new();
        for order in &checkout.orders {
            prop_assert!(order.lines.is_sorted_by(|a, b| a.position < b.position));
            for line in &order.lines {
                let (_, asked) = &cart.items[usize::try_from(line.position).unwrap()];
                prop_assert_eq!(line.product_id, asked.product_id);
                prop_assert_eq!(order.vendor_store_id, asked.vendor_store_id);
                prop_assert_eq!(line.total, asked.price.total);
                prop_assert_eq!(line.rejection.is_some(), line.status == LineStatus::Rejected);
                positions.push(line.position);
            }
            let nothing = order.lines.iter().all(|line| line.rejection.is_some());
            prop_assert_eq!(order.status == OrderStatus::Rejected, nothing);
            prop_assert_eq!(order.rejection_reason.is_some(), nothing);
            let is_free = order.totals.total == Money::ZERO;
            prop_assert!(is_free || !nothing);
            prop_assert_eq!(order.payment_intent.is_none(), is_free);
        }
        positions.sort_unstable();
        prop_assert!(positions.into_iter().eq((0..).take(cart.items.len())));
    }
}
