//! The cost of the rules without any I/O: pricing, checking a cart, splitting and settling it, and
//! handing out the last units of a hot product.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    hint::black_box,
};

use chrono::{DateTime, Utc};
use criterion::{BatchSize, BenchmarkId, Criterion, criterion_group, criterion_main};
use rust_decimal::Decimal;
use splitcart::domain::{
    cart::{
        CartContent, CartHead, CartRecord, CartRequest, CartStatus, PriceHold, PricedCart,
        RequestedDiscount, RequestedItem, Totals,
    },
    checkout::{CheckoutPlan, CheckoutRequest},
    expected_cart::ExpectedCart,
    ids::{CartId, CartItemId, ProductId, StoreId, UserId, VendorStoreId},
    lock_order::StockKey,
    money::{Money, Percent},
    order::PaymentMethod,
    plan_inputs::PlanInputs,
    pricing::{DiscountTerms, StoreDiscount, price_line},
    product::{Product, Unit, VolumeTier},
    purchase_limit::Bought,
    reservation::{Bid, Demand, ReservationOutcome, allocate},
    rules::{Catalog, check_cart},
    shortage_policy::ShortagePolicy,
    store::{
        EligibleBuyer, KycStatus, License, LicenseStatus, Store, StoreType, Subscription,
        SubscriptionStatus, UsState,
    },
    terms::{PaymentPolicy, Terms},
    violation::{Figure, ViolationCode},
};
use uuid::Uuid;

/// Lines dealt out to vendors in turn; every product has three tiers, and every vendor grants a discount.
struct Market {
    now: DateTime<Utc>,
    buyer: EligibleBuyer,
    catalog: Catalog,
    request: CartRequest,
}

fn number(count: usize) -> u128 {
    u128::try_from(count).expect("a count is not negative")
}

fn vendor_id(vendor: usize) -> VendorStoreId {
    VendorStoreId::new(Uuid::from_u128(0x1000_0000 + number(vendor)))
}

fn product_id(line: usize) -> ProductId {
    ProductId::new(Uuid::from_u128(0x2000_0000 + number(line)))
}

fn store(id: StoreId, store_type: StoreType) -> Store {
    let state = UsState::parse("OK").expect("two capitals");
    Store {
        id,
        store_type,
        name: "A store".to_owned(),
        state,
        kyc_status: KycStatus::Verified,
        licenses: vec![License {
            issuing_state: state,
            status: LicenseStatus::Verified,
            expires_on: None,
        }],
        subscription: Some(Subscription {
            status: SubscriptionStatus::Active,
            current_period_end: DateTime::<Utc>::MAX_UTC,
        }),
    }
}

fn tiers() -> Vec<VolumeTier> {
    [(100, 20_0000), (10, 5_0000), (50, 12_5000)]
        .map(|(min_qty, parts)| VolumeTier {
            min_qty,
            discount_percent: Percent::new(Decimal::new(parts, 4)),
        })
        .to_vec()
}

fn list_price() -> Money {
    Money::rounded(Decimal::new(9_99, 2))
}

impl Market {
    fn new(lines: usize, vendors: usize) -> Self {
        let now = DateTime::UNIX_EPOCH;
        let buyer_id = StoreId::new(Uuid::from_u128(0x3000_0000));
        let buyer = EligibleBuyer::admit(&store(buyer_id, StoreType::Buyer), now)
            .expect("the buyer may buy");
        let mut catalog = Catalog::default();
        for vendor in (0..vendors).map(vendor_id) {
            let sold_by = store(vendor.into(), StoreType::Vendor);
            catalog.vendors.insert(vendor, sold_by);
            catalog.discounts.insert(vendor, spring(vendor, now));
        }
        let mut items = Vec::with_capacity(lines);
        for line in 0..lines {
            let product = product(line, vendor_id(line % vendors));
            items.push(RequestedItem {
                product_id: product.id,
                vendor_store_id: product.vendor_store_id,
                qty: 60,
                unit_price: None,
                line_total: None,
            });
            catalog.products.insert(product.id, product);
        }
        let discounts = (0..vendors).map(|vendor| RequestedDiscount {
            vendor_store_id: vendor_id(vendor),
            code: "spring".to_owned(),
        });
        let content = CartContent {
            currency: "USD".to_owned(),
            shipping_address: None,
            items,
            discounts: discounts.collect(),
        };
        let request = CartRequest {
            content,
            totals: Totals::default(),
        };
        let mut market = Self {
            now,
            buyer,
            catalog,
            request,
        };
        market.correct_figures();
        market
    }

    /// Sets the figures of the request to those that the violations expect.
    fn correct_figures(&mut self) {
        let violations = check_cart(&self.request, &self.catalog, &self.buyer, self.now)
            .expect_err("no cart costs nothing");
        for violation in violations {
            let Some(Figure::Money(expected)) = violation.expected else {
                panic!("only figures are wrong, not {violation:?}");
            };
            match violation.code {
                ViolationCode::SubtotalMismatch => self.request.totals.subtotal = expected,
                ViolationCode::DiscountMismatch => self.request.totals.discount_total = expected,
                _ => self.request.totals.total = expected,
            }
        }
        let cart = self.check();
        for (item, line) in self.request.content.items.iter_mut().zip(&cart.lines) {
            item.unit_price = Some(line.price.unit_price);
            item.line_total = Some(line.price.total);
        }
    }

    fn check(&self) -> PricedCart {
        check_cart(&self.request, &self.catalog, &self.buyer, self.now)
            .expect("the cart satisfies every rule")
    }

    fn freeze(&self) -> CartRecord {
        let priced = self.check();
        let ids = (0x4000_0000..).map(|id| CartItemId::new(Uuid::from_u128(id)));
        CartRecord {
            head: CartHead {
                id: CartId::new(Uuid::from_u128(0x5000_0000)),
                buyer_store_id: self.buyer.id,
                created_by: UserId::new(Uuid::from_u128(0x6000_0000)),
                status: CartStatus::Active,
                currency: priced.currency,
                totals: priced.totals,
                shipping_address: None,
                version: 1,
                created_at: self.now,
                updated_at: self.now,
            },
            items: ids.zip(priced.lines).collect(),
            discounts: priced.discounts,
        }
    }
}

fn spring(vendor_store_id: VendorStoreId, now: DateTime<Utc>) -> StoreDiscount {
    StoreDiscount {
        vendor_store_id,
        code: "SPRING".to_owned(),
        title: "Spring".to_owned(),
        terms: DiscountTerms::Percentage(Percent::new(Decimal::TEN)),
        min_subtotal: Money::ZERO,
        starts_at: now,
        ends_at: None,
        is_active: true,
    }
}

fn product(line: usize, vendor_store_id: VendorStoreId) -> Product {
    Product {
        id: product_id(line),
        vendor_store_id,
        sku: format!("SKU-{line}"),
        title: format!("Product {line}"),
        unit: Unit::Unit,
        image_url: None,
        price: list_price(),
        moq: 1,
        max_qty: None,
        purchase_limit: None,
        is_active: true,
        tiers: tiers(),
        available_qty: 1_000,
    }
}

fn pricing(criterion: &mut Criterion) {
    let (list_price, tiers) = (list_price(), tiers());
    criterion.bench_function("price_line/3_tiers", |bencher| {
        bencher.iter(|| price_line(black_box(list_price), black_box(&tiers), black_box(60)));
    });
}

fn checking(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("check_cart");
    for (lines, vendors) in [(3, 3), (30, 5), (200, 20)] {
        let market = Market::new(lines, vendors);
        group.bench_function(BenchmarkId::from_parameter(lines), |bencher| {
            bencher.iter(|| black_box(&market).check());
        });
    }
}

/// The settlement of a cart in which every tenth line is short.
fn settling(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("plan_and_settle");
    for (lines, vendors) in [(3, 3), (200, 20)] {
        let market = Market::new(lines, vendors);
        let cart = market.freeze();
        let products_sold: HashSet<_> = (0..lines).map(product_id).collect();
        let outcomes: BTreeMap<_, _> = (0..lines)
            .map(|line| match line % 10 {
                9 => (
                    product_id(line),
                    ReservationOutcome::Insufficient { available_qty: 7 },
                ),
                _ => (product_id(line), ReservationOutcome::Reserved),
            })
            .collect();
        let request = CheckoutRequest {
            cart_id: cart.head.id,
            store_id: market.buyer.id.into(),
            user_id: cart.head.created_by,
            payment_method: PaymentMethod::Cash,
            shortage_policy: ShortagePolicy::RejectLine,
            expected: ExpectedCart::default(),
        };
        let inputs = PlanInputs {
            buyer: &market.buyer,
            vendors: &market.catalog.vendors,
            products_sold: &products_sold,
            purchase_limits: &HashMap::new(),
            terms: Terms {
                payment_policy: PaymentPolicy::CashOnly,
                price_hold: PriceHold::FOR_EVER,
            },
            now: market.now,
        };
        let parameter = format!("{lines}_lines_{vendors}_vendors");
        group.bench_function(BenchmarkId::from_parameter(parameter), |bencher| {
            bencher.iter_batched(
                || cart.clone(),
                |cart| {
                    let plan = CheckoutPlan::for_cart(request, cart, inputs)
                        .expect("the checkout can be attempted");
                    let mut ids = (0x9000_0000..).map(Uuid::from_u128);
                    plan.settle(
                        &outcomes,
                        &mut || ids.next().expect("there are ids enough"),
                        market.now,
                    )
                },
                BatchSize::SmallInput,
            );
        });
    }
}

/// The allocation of stock that covers half of the requested units.
fn allocating(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("allocate/one_hot_product");
    let hot = StockKey {
        vendor_store_id: vendor_id(0),
        product_id: product_id(1),
    };
    for demands in [32_usize, 1_000] {
        let queue: Vec<_> = (1..=5)
            .cycle()
            .take(demands)
            .map(|qty| Bid {
                policy: ShortagePolicy::RejectLine,
                demands: vec![Demand {
                    stock: hot,
                    qty,
                    qty_min: qty,
                    limit: None,
                }],
                is_complete: true,
            })
            .collect();
        let wanted: i32 = queue.iter().map(|bid| bid.demands[0].qty).sum();
        let available = BTreeMap::from([(hot, wanted / 2)]);
        group.bench_function(BenchmarkId::from_parameter(demands), |bencher| {
            bencher.iter(|| allocate(black_box(&queue), black_box(&available), &Bought::new()));
        });
    }
}

criterion_group!(benches, pricing, checking, settling, allocating);
criterion_main!(benches);
