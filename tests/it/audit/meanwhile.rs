//! The audit of a database that others write to.

use splitcart::cli::audit::audit;

use crate::support::{
    Shopper, World, assert_consistent, audit::PATIENT, crowd::check_out_together, market::cart_of,
};

/// One transaction per checkout, so that there are many states to look at.
const ONE_BY_ONE: &[(&str, &str)] = &[
    ("SPLITCART_BATCH_MAX", "1"),
    ("SPLITCART_QUEUE_WAIT_MS_MAX", "25000"),
];

const BUYERS: usize = 150;

#[tokio::test]
async fn an_audit_during_a_crowd_of_checkouts_raises_no_false_alarm() {
    let world = World::with_settings(ONE_BY_ONE).await;
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
