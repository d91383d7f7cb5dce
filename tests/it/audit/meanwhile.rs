//! The audit of a database that others write to.

use audit::{Progress, audit};
use sqlx::{Connection, PgConnection};

use crate::support::{
    Database, Market, Shopper, World, assert_consistent, audit::PATIENT, crowd::check_out_together,
    market::cart_of, patience::patient,
};

/// One transaction per checkout, so that there are many states to look at.
const ONE_BY_ONE: (&str, &str) = ("SPLITCART_BATCH_MAX", "1");

const BUYERS: usize = 150;

#[tokio::test]
async fn an_audit_during_a_crowd_of_checkouts_raises_no_false_alarm() {
    let world = World::with_settings(&patient(&[ONE_BY_ONE])).await;
    let database = &world.market.database;
    let (hot, scarce) = (
        world.market.sold_product(500, 1000).await,
        world.market.sold_product(300, 50).await,
    );
    let carts = vec![cart_of(&[(hot, 1), (scarce, 1)]); BUYERS];
    let shoppers = Shopper::with_carts(&world.market, &world.server, &carts).await;
    let crowd = tokio::spawn(async move { check_out_together(&shoppers).await });

    let mut in_the_midst = 0;
    while !crowd.is_finished() {
        let groups = "select count(*) from checkout_groups";
        let before = database.count(groups).await;
        let mut connection = database.pool.acquire().await.unwrap();
        let report = audit(&mut connection, PATIENT, &|_| {}).await.unwrap();
        let findings: Vec<_> = report.findings().collect();
        assert!(findings.is_empty(), "{findings:#?}");
        let after = database.count(groups).await;
        in_the_midst += i32::from(after > before);
    }

    let replies = crowd.await.unwrap();
    assert!(replies.iter().all(|reply| reply.status == 201));
    assert!(in_the_midst > 0, "checkouts were committed during an audit");
    assert_consistent(database).await;
}

/// All rules check one snapshot: the one that the first rule read.
#[tokio::test]
async fn what_is_written_while_an_audit_is_made_is_left_to_the_next_one() {
    let market = Market::new(Database::create().await);
    market.sold_product(500, 10).await;
    let database = &market.database;
    let plant_after_the_first_rule = |progress: Progress| {
        if progress.done == 1 {
            plant(&database.url);
        }
    };
    let mut connection = database.pool.acquire().await.unwrap();

    let during = audit(&mut connection, PATIENT, &plant_after_the_first_rule)
        .await
        .unwrap();
    let after = audit(&mut connection, PATIENT, &|_| {}).await.unwrap();

    assert!(during.is_clean());
    let broken: Vec<_> = after.findings().map(|it| it.rule.code).collect();
    assert_eq!(broken, ["stock_reserved_by_lines"]);
}

/// Reserves a unit without an order and commits that before it returns. Runs in a thread of its own,
/// because the test's thread runs the audit.
fn plant(url: &str) {
    let work = async {
        let mut connection = PgConnection::connect(url).await.unwrap();
        sqlx::query("update inventory_items set reserved_qty = 1")
            .execute(&mut connection)
            .await
            .unwrap();
    };
    std::thread::scope(|scope| {
        scope.spawn(|| actix_rt::System::new().block_on(work));
    });
}
