//! The client of a cluster sends a command again whose answer was lost: a claim must then be its owner's.

use redis::Value;

use crate::support::World;

use super::Shop;

/// The words of the command that claimed a key, as Redis received them.
async fn claim(connection: &mut redis::aio::MultiplexedConnection) -> Vec<Vec<u8>> {
    let mut slowlog = redis::cmd("SLOWLOG");
    slowlog.arg(&["GET", "100"]);
    let entries: Vec<Value> = slowlog.query_async(connection).await.unwrap();
    let mut words = entries.into_iter().map(|entry| {
        let Value::Array(mut fields) = entry else {
            panic!("an entry is an array");
        };
        redis::from_redis_value::<Vec<Vec<u8>>>(fields.swap_remove(3)).unwrap()
    });
    // Of the scripts only the one that claims has a key, a fingerprint, an owner and a lease.
    let is_claim = |words: &Vec<Vec<u8>>| {
        words
            .first()
            .is_some_and(|word| word.eq_ignore_ascii_case(b"evalsha"))
            && words.len() == 7
    };
    words.find(is_claim).expect("a key was claimed")
}

async fn send(connection: &mut redis::aio::MultiplexedConnection, words: &[Vec<u8>]) -> Value {
    let mut command = redis::Cmd::new();
    for word in words {
        command.arg(word.as_slice());
    }
    command.query_async(connection).await.unwrap()
}

#[tokio::test]
async fn a_claim_that_is_made_again_by_its_owner_is_made() {
    let world = World::start().await;
    let product = world.market.sold_product(500, 10).await;
    let shop = Shop {
        server: world.server,
        market: world.market,
        product,
    };
    let mut connection = world.redis.connect().await.unwrap();
    world.redis.set("slowlog-log-slower-than", "0").await;
    let shopper = shop.shopper().await;
    assert_eq!(shopper.check_out().await.status, 201);
    let mut words = claim(&mut connection).await;
    world.redis.empty().await;

    assert_eq!(send(&mut connection, &words).await, Value::Nil);
    assert_eq!(
        send(&mut connection, &words).await,
        Value::Nil,
        "the owner's again"
    );
    words[5] = b"somebody else".to_vec();
    let found = send(&mut connection, &words).await;
    assert!(matches!(found, Value::Array(_)), "{found:?}");
}
