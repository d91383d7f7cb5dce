//! The search for late orders: each is found once, the oldest first, however long nobody has looked, and
//! one that can't be expired holds up no other.
//!
//! A statement of the test stands for the move itself.

use std::{cell::RefCell, collections::BTreeSet, time::Duration};

use secrecy::SecretString;
use splitcart::{
    db::{
        orders::{Extent, LookMax, look_for_late, record_walked_to, walked_to},
        pool::{self, Limits, Workload},
    },
    domain::ids::OrderId,
    expiry::{Expiry, Outcome},
    metrics::Metrics,
};
use sqlx::{AssertSqlSafe, PgPool};
use tokio::sync::watch;
use uuid::Uuid;

use crate::support::{Database, wait};

const DAY: Duration = Duration::from_hours(24);
const FEW: LookMax = LookMax {
    scanned: 10,
    late: 4,
};

/// Inserts orders without anything else. Their ids tell `id_age`, and ascend with `n`, from 1; all ages are
/// SQL intervals.
async fn insert(database: &Database, count: u32, id_age: &str, age: &str, status: &str) {
    let statements = format!(
        "begin;
         set local session_replication_role = replica;
         insert into vendor_orders (id, checkout_group_id, buyer_store_id, vendor_store_id, status,
            subtotal, discount_total, total, balance_due, created_at)
         select
            (lpad(to_hex((extract(epoch from now() - interval '{id_age}') * 1000)::bigint), 12, '0')
                || '70008000' || lpad(to_hex(n), 12, '0'))::uuid,
            gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), '{status}', 0, 0, 0, 0,
            now() - interval '{age}'
         from generate_series(1, {count}) as n;
         commit"
    );
    database.run(&statements).await;
}

/// As the service's background pool.
fn background_pool(database: &Database) -> PgPool {
    let limits = Limits {
        workload: Workload::Reads,
        connections_max: 2,
        acquire_wait_max: Duration::from_secs(10),
        statement_max: Duration::from_secs(30),
        lock_wait_max: Duration::from_secs(30),
    };
    pool::lazy(&SecretString::from(database.url.as_str()), "test", limits).unwrap()
}

async fn ids(database: &Database, query: &str) -> Vec<Uuid> {
    sqlx::query_scalar(AssertSqlSafe(query.to_owned()))
        .fetch_all(&database.pool)
        .await
        .unwrap()
}

fn uuids(orders: &[OrderId]) -> Vec<Uuid> {
    orders.iter().map(|id| id.uuid()).collect()
}

async fn expire(pool: &PgPool, orders: &[OrderId]) -> Vec<Outcome> {
    let statement = "update vendor_orders set status = 'expired'
                     where id = any($1) and status = 'created_pending'
                     returning id";
    let expired: Vec<Uuid> = sqlx::query_scalar(statement)
        .bind(uuids(orders))
        .fetch_all(pool)
        .await
        .unwrap();
    let outcome = |id: &OrderId| {
        if expired.contains(&id.uuid()) {
            Outcome::Expired
        } else {
            Outcome::NotLate
        }
    };
    orders.iter().map(outcome).collect()
}

/// Searches until a condition holds.
async fn search_until(
    database: &Database,
    expire: impl AsyncFn(Vec<OrderId>) -> Vec<Outcome>,
    what: &str,
    holds: impl AsyncFnMut() -> bool,
) {
    let (stop, stops) = watch::channel(false);
    let pool = background_pool(database);
    let search = Expiry::new(pool, DAY, expire, Metrics::new(), stops);
    let waiting = async {
        wait::until(what, holds).await;
        stop.send_replace(true);
    };
    tokio::join!(search.run(), waiting);
}

const LATE: &str = "select count(*) from vendor_orders
    where status = 'created_pending' and created_at < now() - interval '1 day'";

#[tokio::test]
async fn late_orders_are_found_after_days_the_oldest_first_and_no_others() {
    let database = Database::create().await;
    insert(&database, 700, "9 days", "9 days", "created_pending").await;
    insert(&database, 3, "8 days", "8 days", "accepted").await;
    insert(&database, 70, "25 hours", "25 hours", "created_pending").await;
    insert(&database, 5, "23 hours", "23 hours", "created_pending").await;
    let late = "select id from vendor_orders
                where status = 'created_pending' and created_at < now() - interval '1 day' order by id";
    let late = ids(&database, late).await;
    let handed = RefCell::new(Vec::new());
    let handing = async |orders: Vec<OrderId>| {
        assert!(orders.len() <= 64, "batches are small");
        handed.borrow_mut().extend(uuids(&orders));
        expire(&database.pool, &orders).await
    };

    search_until(
        &database,
        handing,
        "the walk has reached the last",
        async || {
            let mut connection = database.pool.acquire().await.unwrap();
            walked_to(&mut connection).await.unwrap().uuid() == late[769]
        },
    )
    .await;

    assert_eq!(*handed.borrow(), late);
    let untouched = "select count(*) from vendor_orders where status <> 'expired'";
    assert_eq!(database.count(untouched).await, 8);
}

#[tokio::test]
async fn two_instances_expire_each_order_once() {
    let database = Database::create().await;
    insert(&database, 300, "3 days", "3 days", "created_pending").await;
    let expired = RefCell::new(0);
    let handing = async |orders: Vec<OrderId>| {
        let outcomes = expire(&database.pool, &orders).await;
        *expired.borrow_mut() += outcomes
            .iter()
            .filter(|it| **it == Outcome::Expired)
            .count();
        outcomes
    };
    let done = async || database.count(LATE).await == 0;

    tokio::join!(
        search_until(&database, &handing, "none is late", done),
        search_until(&database, &handing, "none is late", done),
    );

    assert_eq!(*expired.borrow(), 300);
}

#[tokio::test]
async fn an_order_that_can_t_be_expired_holds_up_no_other_and_is_tried_again() {
    let database = Database::create().await;
    insert(&database, 200, "3 days", "3 days", "created_pending").await;
    let stuck = ids(
        &database,
        "select id from vendor_orders order by id offset 9 limit 1",
    )
    .await[0];
    let attempts = RefCell::new(0);
    let handing = async |orders: Vec<OrderId>| {
        let (failing, others): (Vec<_>, Vec<_>) = orders
            .iter()
            .partition(|id| id.uuid() == stuck && *attempts.borrow() < 3);
        *attempts.borrow_mut() += failing.len();
        let outcomes = expire(&database.pool, &others).await;
        let mut outcomes = outcomes.into_iter();
        let outcome = |id: &OrderId| {
            if failing.contains(id) {
                Outcome::Failed
            } else {
                outcomes.next().unwrap()
            }
        };
        orders.iter().map(outcome).collect()
    };

    // A process that stops while the order is stuck.
    search_until(&database, &handing, "one is left", async || {
        database.count(LATE).await == 1 && *attempts.borrow() == 2
    })
    .await;
    let mut connection = database.pool.acquire().await.unwrap();
    let to = walked_to(&mut connection).await.unwrap();
    assert_eq!(to.uuid().as_u128(), stuck.as_u128() - 1);
    search_until(&database, &handing, "none is late", async || {
        database.count(LATE).await == 0
    })
    .await;

    assert_eq!(*attempts.borrow(), 3);
}

/// Restored or changed by hand: the id says that the order is young.
#[tokio::test]
async fn an_order_whose_id_does_not_tell_its_time_is_found_too() {
    let database = Database::create().await;
    insert(&database, 3, "0 s", "2 days", "created_pending").await;
    insert(&database, 3, "1 s", "1 s", "created_pending").await;
    let handing = async |orders: Vec<OrderId>| expire(&database.pool, &orders).await;

    search_until(&database, handing, "none is late", async || {
        database.count(LATE).await == 0
    })
    .await;

    let pending = "select count(*) from vendor_orders where status = 'created_pending'";
    assert_eq!(database.count(pending).await, 3);
}

#[tokio::test]
async fn a_look_ends_at_its_limits_and_the_walk_before_its_margin() {
    let database = Database::create().await;
    insert(&database, 8, "9 days", "9 days", "created_pending").await;
    insert(&database, 20, "8 days", "8 days", "rejected").await;
    // Within the margin; one was committed by a clock that is behind.
    insert(&database, 2, "1 day 2 s", "1 day 2 s", "created_pending").await;
    insert(&database, 2, "1 day 1 s", "23 hours", "created_pending").await;
    let all = ids(&database, "select id from vendor_orders order by id").await;
    let pool = background_pool(&database);
    let mut connection = pool.acquire().await.unwrap();
    let walk = Extent::OldIds {
        margin: Duration::from_mins(1),
    };

    let mut after = OrderId::new(Uuid::nil());
    let mut looks = Vec::new();
    loop {
        let look = look_for_late(&mut connection, after, walk, DAY, FEW)
            .await
            .unwrap();
        looks.push((look.scanned, uuids(&look.late)));
        let cut_short = look.is_cut_short(FEW);
        after = look.scanned_to.unwrap_or(after);
        if !cut_short {
            break;
        }
    }

    let expected = [
        (10, all[..4].to_vec()),
        (10, all[4..8].to_vec()),
        (10, vec![]),
        (10, vec![]),
        (4, all[28..30].to_vec()),
    ];
    assert_eq!(looks, expected);
    assert!(all[27] < after.uuid() && after.uuid() < all[28], "{after}");
    let patrol = look_for_late(&mut connection, after, Extent::All, DAY, FEW)
        .await
        .unwrap();
    assert_eq!(uuids(&patrol.late), all[28..30]);
    assert_eq!(patrol.scanned_to.unwrap().uuid(), all[31]);
    assert!((1.0..60.0).contains(&patrol.overdue_s), "{patrol:?}");
}

#[tokio::test]
async fn the_record_of_the_walk_never_goes_back() {
    let database = Database::create().await;
    let mut connection = database.pool.acquire().await.unwrap();
    let id = |number| OrderId::new(Uuid::from_u128(number));
    for to in [5, 9, 7] {
        record_walked_to(&mut connection, id(to)).await.unwrap();
    }
    assert_eq!(walked_to(&mut connection).await.unwrap(), id(9));
}

/// As few rows are read as a look may scan, however many there are, and without statistics.
#[tokio::test]
async fn a_look_reads_a_range_of_the_primary_key() {
    let database = Database::create().await;
    insert(&database, 20_000, "3 days", "3 days", "accepted").await;
    let pool = background_pool(&database);
    let mut connection = pool.acquire().await.unwrap();
    let walk = Extent::OldIds {
        margin: Duration::from_secs(5),
    };
    let max = LookMax {
        scanned: 100,
        late: 10,
    };
    let nil = OrderId::new(Uuid::nil());
    let before = reads(&database).await;

    for extent in [walk, Extent::All] {
        let look = look_for_late(&mut connection, nil, extent, DAY, max)
            .await
            .unwrap();
        assert_eq!(look.scanned, 100);
    }
    drop(connection);
    pool.close().await;

    wait::until("the session has reported", async || {
        reads(&database).await.1 > before.1
    })
    .await;
    let after = reads(&database).await;
    assert_eq!(after.0, before.0, "no sequential scan");
    let read = after.1 - before.1;
    assert!((200..=202).contains(&read), "{read}");
}

/// Sequential scans of the orders, and entries read from their indexes.
async fn reads(database: &Database) -> (i64, i64) {
    let query = "select seq_scan, (
                    select sum(idx_tup_read)::bigint from pg_stat_user_indexes
                    where relname = 'vendor_orders')
                 from pg_stat_user_tables where relname = 'vendor_orders'";
    sqlx::query_as(query)
        .fetch_one(&database.pool)
        .await
        .unwrap()
}

#[tokio::test]
async fn nothing_is_handed_in_twice_while_it_is_to_be_tried_again() {
    let database = Database::create().await;
    insert(&database, 2, "3 days", "3 days", "created_pending").await;
    let handed = RefCell::new(Vec::new());
    let handing = async |orders: Vec<OrderId>| {
        let batch: BTreeSet<_> = uuids(&orders).into_iter().collect();
        assert_eq!(batch.len(), orders.len());
        handed.borrow_mut().push(orders.len());
        vec![Outcome::Failed; orders.len()]
    };

    // The patrol finds both orders in the same round.
    search_until(&database, handing, "they were tried again", async || {
        handed.borrow().len() >= 2
    })
    .await;

    assert!(handed.borrow().iter().all(|count| *count == 2));
    let mut connection = database.pool.acquire().await.unwrap();
    let to = walked_to(&mut connection).await.unwrap();
    let first = ids(
        &database,
        "select id from vendor_orders order by id limit 1",
    )
    .await[0];
    assert!(to.uuid() < first);
}
