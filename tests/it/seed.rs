//! `splitcart seed`: a whole load into a migrated, empty database.

use std::cell::RefCell;

use catalogue::{
    cli::seed::{Progress, load},
    seed::{SeedPlan, buyer_store_id, buyer_user_id},
};
use chrono::Utc;
use splitcart::db;
use uuid::Uuid;

use crate::support::{Database, assert_consistent};

const PLAN: SeedPlan = SeedPlan {
    vendors: 200,
    products: 2_000,
    buyers: 100,
    orders: 0,
    seed: 1,
};

#[tokio::test]
async fn a_load_is_whole_and_a_second_one_is_refused() {
    let database = Database::create().await;
    let mut connection = db::pool::connect(&database.url.as_str().into())
        .await
        .unwrap();
    let heard = RefCell::new(Vec::new());

    let summary = load(&PLAN, Utc::now(), &mut connection, &|progress| {
        heard.borrow_mut().push(progress);
    })
    .await
    .unwrap();

    let total = PLAN.row_counts().total();
    assert_eq!(
        summary.tables.iter().map(|table| table.rows).sum::<u64>(),
        total
    );
    let heard: Vec<Progress> = heard.into_inner();
    assert!(heard.is_sorted_by_key(|progress| progress.rows));
    assert_eq!(heard.last().map(|last| last.rows), Some(total));
    every_table_holds_what_the_plan_counts(&database).await;

    let second = SeedPlan { seed: 2, ..PLAN };
    let refusal = load(&second, Utc::now(), &mut connection, &|_| {})
        .await
        .unwrap_err();
    assert_eq!(
        refusal.to_string(),
        "this database already has stores; seed an empty one (or use another --data-dir)"
    );
    every_table_holds_what_the_plan_counts(&database).await;
}

#[tokio::test]
async fn the_stores_are_as_eligible_as_told_and_the_ids_name_them() {
    let database = Database::create().await;
    let mut connection = db::pool::connect(&database.url.as_str().into())
        .await
        .unwrap();
    load(&PLAN, Utc::now(), &mut connection, &|_| {})
        .await
        .unwrap();

    let may_sell = "select count(*)
         from stores s
         join licenses l on l.store_id = s.id and l.issuing_state = s.state
         join subscriptions p on p.vendor_store_id = s.id
         where s.type = 'vendor' and s.kyc_status = 'verified' and s.state = 'OK'
           and l.status = 'verified' and l.expires_on >= (now() at time zone 'utc')::date
           and p.status in ('trialing', 'active') and p.current_period_end > now()";
    // 200 less 10 out of state, 6 more with an expired licence, 2 more past due (30 and 90; 150 has an
    // expired licence, 60, 120 and 180 are out of state).
    let told = (1..=PLAN.vendors).filter(|n| [20, 25, 30].iter().all(|every| n % every != 0));
    assert_eq!(
        database.count(may_sell).await,
        i64::try_from(told.count()).unwrap()
    );
    let (owner, store): (Uuid, Uuid) = sqlx::query_as(
        "select m.user_id, m.store_id
         from store_memberships m join stores s on s.id = m.store_id
         where m.role = 'owner' and s.type = 'buyer'
         order by m.id desc limit 1",
    )
    .fetch_one(&database.pool)
    .await
    .unwrap();
    assert_eq!(owner, buyer_user_id(PLAN.seed, PLAN.buyers));
    assert_eq!(store, buyer_store_id(PLAN.seed, PLAN.buyers));
}

#[tokio::test]
async fn orders_in_every_state_fit_their_stock_their_events_and_each_other() {
    let database = Database::create().await;
    let mut connection = db::pool::connect(&database.url.as_str().into())
        .await
        .unwrap();
    let plan = SeedPlan { orders: 21, ..PLAN };

    let summary = load(&plan, Utc::now(), &mut connection, &|_| {})
        .await
        .unwrap();

    let rows: u64 = summary.tables.iter().map(|table| table.rows).sum();
    assert_eq!(rows, plan.row_counts().total());
    let statuses: Vec<(String, i64)> = sqlx::query_as(
        "select status, count(*) from vendor_orders group by status order by status",
    )
    .fetch_all(&database.pool)
    .await
    .unwrap();
    let three = |status: &str| (status.to_owned(), 3);
    let all = [
        "accepted",
        "canceled",
        "created_pending",
        "expired",
        "fulfilled",
        "partially_accepted",
        "rejected",
    ];
    assert_eq!(statuses, all.map(three));
    let of_second_buyer = format!(
        "select count(distinct status) from vendor_orders where buyer_store_id = '{}'",
        buyer_store_id(plan.seed, 2)
    );
    let statuses: i64 = sqlx::query_scalar(sqlx::AssertSqlSafe(of_second_buyer))
        .fetch_one(&database.pool)
        .await
        .unwrap();
    assert_eq!(statuses, 7);
    let gone = "select sum(fulfilled_qty)::bigint from inventory_items";
    assert!(database.count(gone).await > 0);
    let limited = "select count(*) from products where buyer_limit_qty is not null";
    assert_eq!(database.count(limited).await, 1);
    assert_consistent(&database).await;
}

async fn every_table_holds_what_the_plan_counts(database: &Database) {
    let counts = PLAN.row_counts();
    for (query, expected) in [
        ("select count(*) from users", counts.users),
        ("select count(*) from stores", counts.stores),
        ("select count(*) from store_memberships", counts.memberships),
        ("select count(*) from licenses", counts.licenses),
        ("select count(*) from subscriptions", counts.subscriptions),
        ("select count(*) from products", counts.products),
        (
            "select count(*) from product_volume_discounts",
            counts.volume_tiers,
        ),
        (
            "select count(*) from store_discounts",
            counts.store_discounts,
        ),
        (
            "select count(*) from inventory_items i join products p on p.id = i.product_id
             where i.vendor_store_id = p.vendor_store_id and i.reserved_qty = 0",
            counts.products,
        ),
    ] {
        assert_eq!(
            database.count(query).await,
            i64::try_from(expected).unwrap(),
            "{query}"
        );
    }
}
