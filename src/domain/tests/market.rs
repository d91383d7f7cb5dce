//! A market, carts asked of it, checkouts in it; and the naive figures that they are held against.

use std::collections::{BTreeMap, HashMap, HashSet};

use rust_decimal::Decimal;
use uuid::Uuid;

use super::support::{buyer, buyer_id, cents, in_cents, now, product_id, vendor, vendor_id};
use crate::domain::{
    cart::{
        CartContent, CartHead, CartRecord, CartRequest, CartStatus, PriceHold, PricedCart, Quote,
        RequestedDiscount, RequestedItem, Totals,
    },
    checkout::{CheckoutPlan, CheckoutRequest},
    expected_cart::ExpectedCart,
    ids::{CartId, CartItemId, ProductId, UserId, VendorStoreId},
    money::Percent,
    order::{Checkout, PaymentMethod},
    plan_inputs::PlanInputs,
    pricing::{DiscountTerms, StoreDiscount},
    product::{Product, VolumeTier},
    refusal::Refusal,
    reservation::ReservationOutcome,
    rules::{Catalog, check_cart, quote},
    shortage_policy::ShortagePolicy,
    store::{EligibleBuyer, Store},
    terms::{PaymentPolicy, Terms},
    violation::Violation,
};

/// A buyer and everything that is offered to it.
#[derive(Clone, Debug)]
pub(super) struct Market {
    pub(super) buyer: Store,
    pub(super) catalog: Catalog,
}

/// A market without any product for sale.
pub(super) fn market() -> Market {
    Market {
        buyer: buyer(),
        catalog: Catalog::default(),
    }
}

impl Market {
    /// Adds a vendor, or puts it in the place of the one with its id.
    pub(super) fn with(mut self, vendor: Store) -> Self {
        let id = VendorStoreId::new(vendor.id.uuid());
        self.catalog.vendors.insert(id, vendor);
        self
    }

    /// Adds a product, or puts it in the place of the one with its id. Its vendor may sell, unless
    /// [`with`](Self::with) said otherwise.
    pub(super) fn selling(mut self, product: Product) -> Self {
        let id = product.vendor_store_id;
        self.catalog.vendors.entry(id).or_insert_with(|| Store {
            id: id.into(),
            ..vendor(1)
        });
        self.catalog.products.insert(product.id, product);
        self
    }

    pub(super) fn granting(mut self, discount: StoreDiscount) -> Self {
        self.catalog
            .discounts
            .insert(discount.vendor_store_id, discount);
        self
    }

    /// A request for so many of each product, without codes, in which every figure is sent and
    /// right. A product that is not sold is taken for vendor 1's and costs nothing.
    pub(super) fn ask(&self, wanted: &[(u32, i32)]) -> CartRequest {
        let items = wanted
            .iter()
            .map(|(number, qty)| self.ask_for(product_id(*number), *qty))
            .collect();
        let content = CartContent {
            currency: "USD".to_owned(),
            shipping_address: None,
            items,
            discounts: Vec::new(),
        };
        let request = CartRequest {
            content,
            totals: Totals::default(),
        };
        self.with_right_totals(request)
    }

    /// A request with discount codes, by vendor.
    pub(super) fn ask_with(&self, wanted: &[(u32, i32)], codes: &[(u32, &str)]) -> CartRequest {
        let discounts = codes
            .iter()
            .map(|(vendor, code)| RequestedDiscount {
                vendor_store_id: vendor_id(*vendor),
                code: (*code).to_owned(),
            })
            .collect();
        let mut request = self.ask(wanted);
        request.content.discounts = discounts;
        self.with_right_totals(request)
    }

    fn ask_for(&self, product_id: ProductId, qty: i32) -> RequestedItem {
        let product = self.catalog.products.get(&product_id);
        let unit_price = product.map_or(0, |product| naive_unit_price(product, qty));
        RequestedItem {
            product_id,
            vendor_store_id: product.map_or(vendor_id(1), |product| product.vendor_store_id),
            qty,
            unit_price: Some(cents(unit_price)),
            line_total: Some(cents(unit_price * i128::from(qty))),
        }
    }

    fn with_right_totals(&self, request: CartRequest) -> CartRequest {
        let lines = request.content.items.iter().filter_map(|item| {
            let product = self.catalog.products.get(&item.product_id)?;
            Some((product, item.qty))
        });
        let terms = request.content.discounts.iter().filter_map(|asked| {
            let discount = self.catalog.discounts.get(&asked.vendor_store_id)?;
            Some((asked.vendor_store_id, discount.terms))
        });
        CartRequest {
            totals: naive_totals(lines, &terms.collect()),
            ..request
        }
    }

    pub(super) fn check(&self, request: &CartRequest) -> Result<PricedCart, Vec<Violation>> {
        let buyer = EligibleBuyer::admit(&self.buyer, now()).expect("the buyer may buy");
        check_cart(request, &self.catalog, &buyer, now())
    }

    pub(super) fn quote(&self, content: &CartContent) -> Quote {
        let buyer = EligibleBuyer::admit(&self.buyer, now()).expect("the buyer may buy");
        quote(content, &self.catalog, &buyer, now())
    }

    /// The violations of a request; the empty list if there are none.
    pub(super) fn violations(&self, request: &CartRequest) -> Vec<Violation> {
        self.check(request).err().unwrap_or_default()
    }

    /// The record of a request that satisfies every rule.
    pub(super) fn freeze(&self, request: &CartRequest) -> CartRecord {
        let priced = self.check(request).expect("the cart satisfies every rule");
        let item_ids = (0x4000_0000..).map(|id| CartItemId::new(Uuid::from_u128(id)));
        CartRecord {
            head: CartHead {
                id: CartId::new(Uuid::from_u128(0x5000_0000)),
                buyer_store_id: buyer_id(),
                created_by: UserId::new(Uuid::from_u128(0x6000_0000)),
                status: CartStatus::Active,
                currency: priced.currency,
                totals: priced.totals,
                shipping_address: priced.shipping_address,
                version: 1,
                created_at: now(),
                updated_at: now(),
            },
            items: item_ids.zip(priced.lines).collect(),
            discounts: priced.discounts,
        }
    }

    /// The plan of a checkout of the cart, in the market as it is now.
    pub(super) fn plan(
        &self,
        cart: &CartRecord,
        payment_method: PaymentMethod,
        payment_policy: PaymentPolicy,
    ) -> Result<CheckoutPlan, Refusal> {
        let terms = Terms {
            payment_policy,
            price_hold: PriceHold::FOR_EVER,
        };
        let request = CheckoutRequest {
            payment_method,
            ..ask_for(cart)
        };
        self.plan_on(request, cart, terms)
    }

    /// The plan of any request, on any terms.
    pub(super) fn plan_on(
        &self,
        request: CheckoutRequest,
        cart: &CartRecord,
        terms: Terms,
    ) -> Result<CheckoutPlan, Refusal> {
        let buyer = EligibleBuyer::admit(&self.buyer, now()).expect("the buyer may buy");
        let products = self.catalog.products.values();
        let products_sold: HashSet<_> = products
            .filter(|product| product.is_active)
            .map(|product| product.id)
            .collect();
        let products = self.catalog.products.values();
        let purchase_limits: HashMap<_, _> = products
            .filter_map(|product| Some((product.id, product.purchase_limit?)))
            .collect();
        let inputs = PlanInputs {
            buyer: &buyer,
            vendors: &self.catalog.vendors,
            products_sold: &products_sold,
            purchase_limits: &purchase_limits,
            terms,
            now: now(),
        };
        CheckoutPlan::for_cart(request, cart.clone(), inputs)
    }

    /// A checkout for cash in which the given products are short, with so many left of each.
    pub(super) fn check_out(&self, cart: &CartRecord, short: &[(u32, i32)]) -> Checkout {
        let plan = self
            .plan(cart, PaymentMethod::Cash, PaymentPolicy::CashOnly)
            .expect("the checkout can be attempted");
        settle(plan, short)
    }
}

/// Settles a plan in which the given products are short, with so many left of each.
pub(super) fn settle(plan: CheckoutPlan, short: &[(u32, i32)]) -> Checkout {
    let short: BTreeMap<_, _> = short
        .iter()
        .map(|(number, left)| (product_id(*number), *left))
        .collect();
    let outcomes = plan
        .bid()
        .demands
        .iter()
        .map(|demand| {
            let outcome = match short.get(&demand.stock.product_id) {
                None => ReservationOutcome::Reserved,
                Some(left) => ReservationOutcome::Insufficient {
                    available_qty: *left,
                },
            };
            (demand.stock.product_id, outcome)
        })
        .collect();
    let mut ids = (0x9000_0000..).map(Uuid::from_u128);
    let checkout = plan.settle(&outcomes, &mut || ids.next().unwrap(), now());
    checkout.expect("it need not go through whole")
}

/// A request for a checkout of the cart, for cash, that expects nothing.
pub(super) fn ask_for(cart: &CartRecord) -> CheckoutRequest {
    CheckoutRequest {
        cart_id: cart.head.id,
        store_id: cart.head.buyer_store_id.into(),
        user_id: cart.head.created_by,
        payment_method: PaymentMethod::Cash,
        shortage_policy: ShortagePolicy::RejectLine,
        expected: ExpectedCart::default(),
    }
}

/// The list price in cents less the tier's share, computed in whole cents.
pub(super) fn naive_unit_price(product: &Product, qty: i32) -> i128 {
    let list_price = in_cents(product.price);
    let mut best: Option<&VolumeTier> = None;
    for tier in &product.tiers {
        if qty >= tier.min_qty && best.is_none_or(|best| best.min_qty < tier.min_qty) {
            best = Some(tier);
        }
    }
    list_price - best.map_or(0, |tier| naive_share(list_price, tier.discount_percent))
}

/// So many per cent of an amount in cents, a half cent counting as a whole one.
fn naive_share(amount: i128, share: Percent) -> i128 {
    let mut parts: Decimal = share.to_string().parse().unwrap();
    parts.rescale(4);
    // A percentage has four decimals, so one whole has a million parts.
    (2 * amount * parts.mantissa() + 1_000_000) / 2_000_000
}

/// The figures of lines under store discounts, computed in whole cents.
pub(super) fn naive_totals<'a>(
    lines: impl IntoIterator<Item = (&'a Product, i32)>,
    terms: &BTreeMap<VendorStoreId, DiscountTerms>,
) -> Totals {
    let (mut subtotal, mut total) = (0, 0);
    let mut sums: BTreeMap<VendorStoreId, i128> = BTreeMap::new();
    for (product, qty) in lines {
        let line_total = naive_unit_price(product, qty) * i128::from(qty);
        subtotal += in_cents(product.price) * i128::from(qty);
        total += line_total;
        *sums.entry(product.vendor_store_id).or_default() += line_total;
    }
    for (vendor, sum) in sums {
        total -= match terms.get(&vendor) {
            None => 0,
            Some(DiscountTerms::Percentage(share)) => naive_share(sum, *share),
            Some(DiscountTerms::Fixed(amount)) => std::cmp::min(in_cents(*amount), sum),
        };
    }
    Totals {
        subtotal: cents(subtotal),
        discount_total: cents(subtotal - total),
        total: cents(total),
    }
}
