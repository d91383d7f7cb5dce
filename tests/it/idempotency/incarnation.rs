//! Redis is never trusted about answers that PostgreSQL does not have: several databases may share it,
//! or it may outlive a database that is restored.

use splitcart::{
    domain::idempotency::{Fingerprint, IdempotencyKey, Scope, StoredResponse},
    domain::ids::{StoreId, UserId},
    idempotency::{
        incarnation::Incarnation,
        redis_claims::{Begun, Claims, Known, Limits},
    },
    metrics::Metrics,
    redis_client::{SentinelLogin, Target},
};
use sqlx::Connection;
use std::time::Duration;
use uuid::Uuid;

use crate::support::{
    Database, Redis, Server, Shopper, World, assert_consistent,
    client::fresh_key,
    cluster,
    dump::{dump, restore},
    market::cart_of,
    patience::SLOW_REDIS,
    server::redis_tls,
    wait,
};

const GROUPS: &str = "select count(*) from checkout_groups";

#[tokio::test]
async fn two_databases_behind_one_redis_know_nothing_of_each_other() {
    let world = World::with_settings(&[SLOW_REDIS]).await;
    let product = world.market.sold_product(500, 10).await;
    let cart = cart_of(&[(product, 2)]);
    let buyer = world.market.buyer().await;
    let twin = Database::create_bare().await;
    restore(&twin, &dump(&world.market.database));
    let there = Server::start(&twin.url, &world.redis.url, &[SLOW_REDIS]).await;

    let (put_key, checkout_key) = (fresh_key(), fresh_key());
    for (server, database) in [(&world.server, &world.market.database), (&there, &twin)] {
        let client = server.client(&buyer);
        let put = client.put_cart(&put_key, &cart).await;
        assert_eq!((put.status, put.is_replay()), (200, false));
        let cart_id = put.data()["id"].as_str().unwrap().parse().unwrap();
        let bought = client.check_out(&checkout_key, cart_id).await;
        assert_eq!((bought.status, bought.is_replay()), (201, false));
        // Each server replays its own answers.
        let again = client.check_out(&checkout_key, cart_id).await;
        assert!(again.is_replay() && again.bytes == bought.bytes);
        assert_eq!(database.count(GROUPS).await, 1);
        assert_eq!(
            server
                .metric("splitcart_replays_total{source=\"redis\"}")
                .await,
            1.0
        );
    }
}

/// `pg_dump`, a checkout, `psql`: while the server keeps running, a checkout that the restore has
/// undone is carried out when it is sent again.
#[tokio::test]
async fn what_a_restore_has_undone_is_carried_out_again() {
    let world = World::with_settings(&[SLOW_REDIS]).await;
    let (shopper, saved) = saved_before_its_checkout(&world).await;

    restore(&world.market.database, &saved);

    assert_is_carried_out(&world, &shopper).await;
}

/// The same with a database that was dropped and created again under its name.
#[tokio::test]
async fn what_a_new_database_of_the_same_name_lacks_is_carried_out_again() {
    let world = World::with_settings(&[SLOW_REDIS]).await;
    let (shopper, saved) = saved_before_its_checkout(&world).await;
    let database = &world.market.database;
    let name: String = sqlx::query_scalar("select current_database()::text")
        .fetch_one(&database.pool)
        .await
        .unwrap();

    let mut admin = sqlx::PgConnection::connect(cluster::url()).await.unwrap();
    for statement in [
        format!("drop database {name} with (force)"),
        format!("create database {name} template template0"),
    ] {
        sqlx::raw_sql(sqlx::AssertSqlSafe(statement))
            .execute(&mut admin)
            .await
            .unwrap();
    }
    restore(database, &saved);

    assert_is_carried_out(&world, &shopper).await;
}

/// A shopper who has bought, and a dump from the moment before the checkout.
async fn saved_before_its_checkout(world: &World) -> (Shopper, String) {
    let product = world.market.sold_product(500, 10).await;
    let cart = cart_of(&[(product, 2)]);
    let shopper = Shopper::with_cart(&world.market, &world.server, &cart).await;
    let saved = dump(&world.market.database);
    assert_eq!(shopper.check_out().await.status, 201);
    let replay = shopper.check_out().await;
    assert!(replay.is_replay());
    let from_redis = "splitcart_replays_total{source=\"redis\"}";
    assert_eq!(world.server.metric(from_redis).await, 1.0);
    wait::until("the event is published", async || {
        world.redis.events().await.len() == 1
    })
    .await;
    (shopper, saved)
}

async fn assert_is_carried_out(world: &World, shopper: &Shopper) {
    let again = shopper.insist().await;

    assert_eq!(
        (again.status, again.is_replay()),
        (201, false),
        "{}",
        again.text()
    );
    assert_eq!(world.market.database.count(GROUPS).await, 1);
    let replay = shopper.insist().await;
    assert!(replay.is_replay() && replay.bytes == again.bytes);
    assert_consistent(&world.market.database).await;
}

/// Two runs of one request may finish one after the other: a client that got the first answer never
/// gets another one.
#[tokio::test]
async fn the_first_answer_that_redis_was_told_stays() {
    let (database, redis) = (Database::create().await, Redis::start().await);
    let limits = Limits {
        timeout: Duration::from_secs(5),
        pause: Duration::ZERO,
        lease: Duration::from_secs(5),
        keep_max: Duration::from_mins(1),
        store_bytes_max: 10_000,
    };
    let incarnation = Incarnation::read(&database.pool).await.unwrap();
    let url = redis.url.clone().into();
    let target = Target::new(&url, redis_tls(&redis.url), SentinelLogin::default()).unwrap();
    let claims = Claims::open(&target, limits, incarnation, Metrics::new());
    let scope = Scope {
        user_id: UserId::new(Uuid::now_v7()),
        store_id: StoreId::new(Uuid::now_v7()),
        method: "PUT",
        path: "/api/v1/cart".into(),
        key: IdempotencyKey::parse(b"key").unwrap(),
    };
    let fingerprint = Fingerprint::new([7; 32]);
    let answer = |text: &str| StoredResponse {
        status: 200,
        body: text.as_bytes().to_vec(),
    };
    let Begun::Claimed(claim) = claims.begin(&scope, fingerprint).await else {
        panic!("the key is fresh");
    };

    for text in ["first", "second"] {
        claims
            .finish(claim.clone(), &answer(text), Duration::from_mins(1))
            .await;
    }

    let begun = claims.begin(&scope, fingerprint).await;
    let Begun::Known(Known::Answered(kept), _) = begun else {
        panic!("{begun:?}");
    };
    assert_eq!(kept, answer("first"));
}
