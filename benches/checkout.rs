//! The cost of a checkout on a private PostgreSQL with durable settings: an actor round trip, the
//! reservation statement, and whole checkouts at several batch sizes, spread and hot.
//!
//! `cargo bench --bench checkout`; ratios within one run mean something, absolute times do not.
#![expect(clippy::unwrap_used, reason = "a bench that can't go on should stop")]

use std::{
    collections::BTreeMap,
    hint::black_box,
    time::{Duration, Instant},
};

use actix::{Actor, AtomicResponse, Context, Handler, Message, WrapFuture};
use actix_rt::{Arbiter, System, SystemRunner};
use catalogue::{
    cli::seed::load,
    seed::{self, SeedPlan},
};
use chrono::{TimeDelta, Utc};
use criterion::{Bencher, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use private_servers::{DataDir, EmbeddedServices, Memory, Options};
use splitcart::{
    app::{actors::Actors, options},
    carts::{self, EarlierAttempts, FreezeCart, Promises},
    checkout::{
        batch::CheckoutDesk,
        command::{CheckoutCommand, Decision},
    },
    config::Config,
    db::{self, inventory::StockCheck},
    domain::{
        caller::{Access, Member},
        cart::{CartContent, CartRequest, PriceHold, RequestedItem, Totals},
        checkout::CheckoutRequest,
        expected_cart::ExpectedCart,
        idempotency::{Fingerprint, IdempotencyKey, Scope, ScopeDigest},
        ids::{CartId, ProductId, StoreId, UserId, VendorStoreId},
        lock_order::StockKey,
        money::Money,
        optimistic::ExpectedStock,
        order::PaymentMethod,
        precondition::Precondition,
        rules,
        shortage_policy::ShortagePolicy,
        store::EligibleBuyer,
        violation::{Figure, Violation},
    },
    http::{carts as carts_http, checkout::render},
    metrics::Metrics,
    stages::trip::Trip,
};
use sqlx::{Connection, PgConnection, PgPool};
use tokio::sync::mpsc;
use uuid::Uuid;

/// 200 vendors and 10,000 products, as in docs/performance.md.
const PLAN: SeedPlan = SeedPlan {
    vendors: 200,
    products: 10_000,
    buyers: 32,
    orders: 0,
    seed: 1,
};
const BATCH_SIZES: [usize; 3] = [1, 8, 32];
/// The seed's first nineteen vendors are always eligible to sell; the first one has the hot product.
const OTHER_VENDORS: u32 = 18;

struct Stage {
    system: SystemRunner,
    services: Option<EmbeddedServices>,
    pool: PgPool,
    url: secrecy::SecretString,
}

impl Stage {
    fn set() -> Self {
        let system = System::new();
        let (services, pool, url) = system.block_on(async {
            let options = Options {
                data_dir: DataDir::Temporary,
                memory: Memory::Little,
            };
            let services = EmbeddedServices::start(options).await.unwrap();
            let url = secrecy::SecretString::from(services.database_url());
            let mut connection = db::pool::connect(&url).await.unwrap();
            db::migrations::migrate(&mut connection).await.unwrap();
            load(&PLAN, Utc::now(), &mut connection, &|_| {})
                .await
                .unwrap();
            // No product may run short during the measurement.
            sqlx::query("update inventory_items set available_qty = 1000000000")
                .execute(&mut connection)
                .await
                .unwrap();
            sqlx::query("vacuum analyze")
                .execute(&mut connection)
                .await
                .unwrap();
            let pool = PgPool::connect(services.database_url()).await.unwrap();
            (services, pool, url)
        });
        Self {
            system,
            services: Some(services),
            pool,
            url,
        }
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        let services = self.services.take().unwrap();
        self.system
            .block_on(async { services.stop().await.unwrap() });
    }
}

fn benches(criterion: &mut Criterion) {
    let stage = Stage::set();
    actor_round_trip(criterion, &stage.system);
    reservation_statement(criterion, &stage);
    whole_checkout(criterion, &stage);
}

struct Echo;

impl Actor for Echo {
    type Context = Context<Self>;
}

struct Question(u64);

impl Message for Question {
    type Result = u64;
}

impl Handler<Question> for Echo {
    type Result = AtomicResponse<Self, u64>;

    fn handle(&mut self, question: Question, _: &mut Self::Context) -> Self::Result {
        AtomicResponse::new(Box::pin(async move { question.0 }.into_actor(self)))
    }
}

/// The cost of a message to a vendor's actor before any SQL: the same kind of handler, without any wait.
fn actor_round_trip(criterion: &mut Criterion, system: &SystemRunner) {
    let mut group = criterion.benchmark_group("actor_round_trip");
    let elsewhere = Arbiter::new();
    let far = Echo::start_in_arbiter(&elsewhere.handle(), |_| Echo);
    let near = system.block_on(async { Echo.start() });
    for (name, address) in [("same_thread", near), ("other_thread", far)] {
        group.bench_function(name, |bencher| {
            bencher.iter_custom(|rounds| {
                system.block_on(async {
                    let started = Instant::now();
                    for round in 0..rounds {
                        black_box(address.send(Question(round)).await.unwrap());
                    }
                    started.elapsed()
                })
            });
        });
    }
    elsewhere.stop();
    group.finish();
}

/// One vendor's conditional UPDATE, in a transaction that is rolled back.
fn reservation_statement(criterion: &mut Criterion, stage: &Stage) {
    let mut group = criterion.benchmark_group("reservation_statement");
    let vendor_store_id = VendorStoreId::new(seed::vendor_store_id(PLAN.seed, 1));
    for products in [1_usize, 10, 50] {
        let three = ExpectedStock {
            qty: 3,
            available_min: 3,
            available_max: i32::MAX,
        };
        let stock_of = |product_id| StockKey {
            vendor_store_id,
            product_id,
        };
        let expected: BTreeMap<StockKey, ExpectedStock> = products_of_vendor(1)
            .take(products)
            .map(|product| (stock_of(product), three))
            .collect();
        group.throughput(Throughput::Elements(products as u64));
        group.bench_function(BenchmarkId::new("products", products), |bencher| {
            bencher.iter_custom(|rounds| {
                stage
                    .system
                    .block_on(reserve_and_roll_back(&stage.pool, &expected, rounds))
            });
        });
    }
    group.finish();
}

async fn reserve_and_roll_back(
    pool: &PgPool,
    expected: &BTreeMap<StockKey, ExpectedStock>,
    rounds: u64,
) -> Duration {
    let mut connection = pool.acquire().await.unwrap();
    let mut spent = Duration::ZERO;
    for _ in 0..rounds {
        let mut transaction = connection.begin().await.unwrap();
        let started = Instant::now();
        let reserved = db::inventory::reserve_expected(&mut transaction, expected).await;
        spent += started.elapsed();
        let reserved = reserved.unwrap();
        assert!(matches!(reserved, StockCheck::AsExpected { .. }));
        transaction.rollback().await.unwrap();
    }
    spent
}

/// As many buyers as the batch has members check out at once, three lines of three vendors each.
fn whole_checkout(criterion: &mut Criterion, stage: &Stage) {
    let mut group = criterion.benchmark_group("whole_checkout");
    group
        .sample_size(20)
        .measurement_time(Duration::from_secs(8));
    for (name, hot) in [("spread", Hot::No), ("hot", Hot::FirstLine)] {
        for batch in BATCH_SIZES {
            group.throughput(Throughput::Elements(batch as u64));
            group.bench_function(BenchmarkId::new(name, batch), |bencher| {
                measure_checkouts(bencher, stage, batch, hot);
            });
        }
    }
    group.finish();
}

/// The place of the hot product: in no cart, or in the first line of every cart.
#[derive(Clone, Copy)]
enum Hot {
    No,
    FirstLine,
}

fn measure_checkouts(bencher: &mut Bencher<'_>, stage: &Stage, batch: usize, hot: Hot) {
    let actors = stage.system.block_on(async {
        let settings = [("SPLITCART_BATCH_MAX", batch.to_string())];
        let settings = settings.map(|(name, value)| (name.to_owned(), value));
        let config = Config::load(None, settings).unwrap();
        // The events are not received; they remain in the outbox.
        let (committed_events, _) = mpsc::channel(1);
        let options = options::actors(&config);
        Actors::start(options, &stage.url, &Metrics::new(), committed_events)
            .await
            .unwrap()
    });
    let mut round = 0;
    bencher.iter_custom(|rounds| {
        stage.system.block_on(async {
            let mut spent = Duration::ZERO;
            for _ in 0..rounds {
                round += 1;
                let commands = freeze_carts(&stage.pool, batch, hot, round).await;
                let started = Instant::now();
                check_out_at_once(&actors.desks.checkouts, commands).await;
                spent += started.elapsed();
            }
            spent
        })
    });
    stage.system.block_on(async {
        actors.desks.close();
        actors.stop().await;
    });
}

async fn check_out_at_once(desk: &CheckoutDesk, commands: Vec<CheckoutCommand>) {
    let answers = commands.into_iter().map(|command| desk.submit(command));
    for answer in futures_util::future::join_all(answers).await {
        assert!(matches!(answer, Ok(Decision::Created(_))));
    }
}

async fn freeze_carts(pool: &PgPool, batch: usize, hot: Hot, round: u32) -> Vec<CheckoutCommand> {
    let mut connection = pool.acquire().await.unwrap();
    let mut commands = Vec::with_capacity(batch);
    for buyer in 1..=u32::try_from(batch).unwrap() {
        let caller = admit(&mut connection, buyer).await;
        let request = cart_of_three(&mut connection, &caller, buyer + round * 7, hot).await;
        let command = FreezeCart {
            user_id: caller.user_id,
            store_id: caller.buyer.id.into(),
            request,
            scope: fresh_scope(),
            fingerprint: Fingerprint::new([0; 32]),
            precondition: Precondition::default(),
            render: carts_http::render,
        };
        let promises = Promises {
            price_hold: PriceHold::FOR_EVER,
            keep_answers_for: TimeDelta::hours(1),
        };
        let (commands_of_one, mut tries) = ([&command], EarlierAttempts::default());
        carts::freeze(pool, promises, &commands_of_one, &mut tries, None)
            .await
            .unwrap();
        let frozen = carts::get_active(&mut connection, caller.buyer.id).await;
        let cart_id = frozen.unwrap().unwrap().cart.head.id;
        commands.push(checkout_command(&caller, cart_id));
    }
    commands
}

/// A key that was never used.
fn fresh_scope() -> ScopeDigest {
    ScopeDigest::new(rand::random())
}

/// A person who may buy for a store.
#[derive(Clone, Copy)]
struct Caller {
    user_id: UserId,
    buyer: EligibleBuyer,
}

async fn admit(connection: &mut PgConnection, buyer: u32) -> Caller {
    let user = UserId::new(seed::buyer_user_id(PLAN.seed, buyer));
    let store = StoreId::new(seed::buyer_store_id(PLAN.seed, buyer));
    let membership = db::stores::find_membership(connection, user, store)
        .await
        .unwrap();
    let member = Member::admit(membership.as_ref(), Access::Change).unwrap();
    Caller {
        user_id: user,
        buyer: member.of_eligible_buyer(Utc::now()).unwrap(),
    }
}

/// A cart priced by the rules themselves, with the figures that a shop front would have shown.
async fn cart_of_three(
    connection: &mut PgConnection,
    caller: &Caller,
    nr: u32,
    hot: Hot,
) -> CartRequest {
    let item = |line: u32| {
        let hot_line = matches!(hot, Hot::FirstLine) && line == 0;
        let (vendor, which) = if hot_line {
            (1, 0)
        } else {
            ((nr * 3 + line) % OTHER_VENDORS + 2, nr % 40)
        };
        RequestedItem {
            product_id: products_of_vendor(vendor).nth(which as usize).unwrap(),
            vendor_store_id: VendorStoreId::new(seed::vendor_store_id(PLAN.seed, vendor)),
            qty: 50,
            unit_price: None,
            line_total: None,
        }
    };
    let content = CartContent {
        currency: "USD".to_owned(),
        shipping_address: None,
        items: (0..3).map(item).collect(),
        discounts: Vec::new(),
    };
    let mut request = CartRequest {
        content,
        totals: Totals::default(),
    };
    let catalog = db::catalog::load_for(connection, &[&request.content])
        .await
        .unwrap()
        .remove(0);
    let violations = rules::check_cart(&request, &catalog, &caller.buyer, Utc::now()).unwrap_err();
    let right = |path: &str| match violations.iter().find(|violation| violation.path == path) {
        Some(Violation {
            expected: Some(Figure::Money(amount)),
            ..
        }) => *amount,
        _ => Money::ZERO,
    };
    request.totals = Totals {
        subtotal: right("/totals/subtotal"),
        discount_total: right("/totals/discount_total"),
        total: right("/totals/total"),
    };
    request
}

/// The seed deals its products to the vendors in turn.
fn products_of_vendor(vendor: u32) -> impl Iterator<Item = ProductId> {
    (0..PLAN.products / PLAN.vendors)
        .map(move |nr| ProductId::new(seed::product_id(PLAN.seed, nr * PLAN.vendors + vendor)))
}

fn checkout_command(caller: &Caller, cart_id: CartId) -> CheckoutCommand {
    CheckoutCommand {
        traceparent: None,
        trip: Trip::default(),
        request: CheckoutRequest {
            cart_id,
            store_id: caller.buyer.id.into(),
            user_id: caller.user_id,
            payment_method: PaymentMethod::Cash,
            shortage_policy: ShortagePolicy::RejectLine,
            expected: ExpectedCart::default(),
        },
        scope: Scope {
            user_id: caller.user_id,
            store_id: StoreId::from(caller.buyer.id),
            method: "POST",
            path: "/api/v1/checkout".into(),
            key: IdempotencyKey::parse(Uuid::now_v7().to_string().as_bytes()).unwrap(),
        },
        fingerprint: Fingerprint::new([0; 32]),
        render,
    }
}

criterion_group!(checkout, benches);
criterion_main!(checkout);
