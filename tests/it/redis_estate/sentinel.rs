//! Sentinels: the service finds the primary, and follows a failover.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use private_servers::RedisRole;

use crate::support::{RedisServer, Reply, Shopper, wait};

use super::{NO_PAUSE, Shop, acl::add_documented_user, events_on};

const SERVICE: &str = "shop";
/// The password of Redis itself, and that of the Sentinels.
const PASSWORDS: [&str; 2] = ["of-redis", "of-sentinels"];

/// A primary, its replica, and three Sentinels, of which two must agree.
struct Watched {
    servers: [RedisServer; 2],
    sentinels: Vec<RedisServer>,
}

impl Watched {
    async fn start() -> Self {
        let primary = RedisServer::start(RedisRole::Alone, "").await;
        let follow = format!("replicaof 127.0.0.1 {}", primary.port);
        let replica = RedisServer::start(RedisRole::Alone, &follow).await;
        let mut sentinels = Vec::new();
        for _ in 0..3 {
            let settings = format!(
                "sentinel monitor {SERVICE} 127.0.0.1 {} 2
                 sentinel down-after-milliseconds {SERVICE} 500
                 sentinel failover-timeout {SERVICE} 3000",
                primary.port
            );
            sentinels.push(RedisServer::start(RedisRole::Sentinel, &settings).await);
        }
        let watched = Self {
            servers: [primary, replica],
            sentinels,
        };
        wait::until(
            "the Sentinels know each other and the replica",
            async || {
                let mut ready = true;
                for sentinel in &watched.sentinels {
                    let words = ["SENTINEL", "MASTER", SERVICE];
                    let about: Vec<String> = sentinel.ask(&words).await.unwrap();
                    let field = |name| {
                        about
                            .iter()
                            .position(|it| it == name)
                            .map(|at| &about[at + 1])
                    };
                    ready &= field("num-other-sentinels").is_some_and(|count| count == "2");
                    ready &= field("num-slaves").is_some_and(|count| count == "1");
                }
                ready
            },
        )
        .await;
        wait::until("the replica has the data", async || {
            replication_of(&watched.servers[1], "master_link_status:up").await
        })
        .await;
        watched
    }

    fn url(&self) -> String {
        let addresses = self.sentinels.iter().map(RedisServer::address);
        let addresses: Vec<_> = addresses.collect();
        format!("redis+sentinel://{}/{SERVICE}", addresses.join(","))
    }

    async fn until_replica_leads(&self) {
        wait::until("the replica is the primary", async || {
            replication_of(&self.servers[1], "role:master").await
        })
        .await;
    }
}

/// Lets new shoppers check out until told to stop, and sixteen at least.
async fn keep_buying(shop: &Shop, until: impl AsyncFn() -> bool) -> Vec<(Shopper, Reply)> {
    let mut bought = Vec::new();
    while !until().await || bought.len() < 16 {
        let shoppers = join_all((0..4).map(|_| shop.shopper())).await;
        let replies = join_all(shoppers.iter().map(Shopper::check_out)).await;
        bought.extend(shoppers.into_iter().zip(replies));
    }
    bought
}

#[tokio::test]
async fn a_primary_that_dies_under_load_costs_no_order_and_its_successor_is_found() {
    let mut watched = Watched::start().await;
    let login = add_documented_user(&watched.servers, &["+role"]).await;
    for sentinel in &watched.sentinels {
        let rights = [
            "resetpass",
            ">s",
            "on",
            "-@all",
            "+sentinel|masters",
            "+role",
        ];
        sentinel
            .tell(&[&["ACL", "SETUSER", "finder"][..], &rights].concat())
            .await;
    }
    let finder = [
        ("SPLITCART_REDIS_SENTINEL_USER", "finder"),
        ("SPLITCART_REDIS_SENTINEL_PASSWORD", "s"),
        NO_PAUSE,
    ];
    let url = watched.url().replace("://", &format!("://{login}@"));
    let shop = Shop::open(&url, &finder).await;
    shop.until_redis_replays().await;
    let (state, servers) = shop.redis_state().await;
    assert_eq!((state.as_str(), servers.len()), ("ready", 1));
    assert_eq!(servers[0]["address"], watched.servers[0].address());
    let before = shop.failures().await;

    let (load, ()) = tokio::join!(
        keep_buying(&shop, async || {
            replication_of(&watched.servers[1], "role:master").await
        }),
        kill_when_busy(&shop, &watched.servers[0])
    );
    let struck = Instant::now();
    assert!(shop.failures().await > before, "Redis was away meanwhile");
    assert!(watched.servers[0].connect().await.is_err());
    shop.until_redis_replays().await;

    assert!(
        struck.elapsed() < Duration::from_secs(10),
        "{:?}",
        struck.elapsed()
    );
    shop.assert_bought_once(&load).await;
    shop.until_published().await;
    assert!(!events_on(&watched.servers[1]).await.is_empty());
    wait::until("readiness names the successor", async || {
        let (state, servers) = shop.redis_state().await;
        let address = watched.servers[1].address();
        state == "ready" && servers[0]["address"] == address && servers[0]["role"] == "primary"
    })
    .await;
    // It comes back as a replica of its successor, and is left alone.
    watched.servers[0].restart().await;
    wait::until("the old primary follows", async || {
        replication_of(&watched.servers[0], "role:slave").await
    })
    .await;
    shop.until_redis_replays().await;
}

/// True if the server says this about its replication. Sentinels cut all connections to a server whose role
/// they change, and those of this question may be among them.
async fn replication_of(server: &RedisServer, says: &str) -> bool {
    let info = server.ask::<String>(&["INFO", "replication"]).await;
    info.is_ok_and(|info| info.contains(says))
}

/// `kill -9`, once some have bought.
async fn kill_when_busy(shop: &Shop, primary: &RedisServer) {
    let groups = "select count(*) from checkout_groups";
    let before = shop.market.database.count(groups).await;
    wait::until("some have bought", async || {
        shop.market.database.count(groups).await >= before + 4
    })
    .await;
    crate::support::redis::signal(primary.pid(), "KILL");
}

/// The Sentinels demote a primary that is well.
#[tokio::test]
async fn a_primary_that_is_demoted_is_left_for_its_successor() {
    let watched = Watched::start().await;
    let one_worker = ("SPLITCART_HTTP_WORKERS", "1");
    let shop = Shop::open(&watched.url(), &[NO_PAUSE, one_worker]).await;
    shop.until_redis_replays().await;

    watched.sentinels[0]
        .tell(&["SENTINEL", "FAILOVER", SERVICE])
        .await;
    watched.until_replica_leads().await;
    wait::until("the old primary follows", async || {
        replication_of(&watched.servers[0], "role:slave").await
    })
    .await;
    let struck = Instant::now();
    shop.until_redis_replays().await;
    shop.until_published().await;

    assert!(
        struck.elapsed() < Duration::from_secs(10),
        "{:?}",
        struck.elapsed()
    );
    assert!(shop.failures().await > 0.0);
    let (state, servers) = shop.redis_state().await;
    assert_eq!(state, "ready");
    assert_eq!(servers[0]["address"], watched.servers[1].address());
    shop.assert_bought_once(&[]).await;
}

/// One Sentinel that hangs and one that is gone do not keep the service from asking the third.
#[tokio::test]
async fn the_sentinels_that_answer_are_enough_and_have_a_password_of_their_own() {
    let mut watched = Watched::start().await;
    let [of_redis, of_sentinels] = PASSWORDS;
    for server in &watched.servers {
        server
            .tell(&["CONFIG", "SET", "masterauth", of_redis])
            .await;
    }
    for server in &mut watched.servers {
        server.demand(of_redis).await;
    }
    for sentinel in &mut watched.sentinels {
        sentinel
            .tell(&["SENTINEL", "SET", SERVICE, "auth-pass", of_redis])
            .await;
        sentinel.demand(of_sentinels).await;
    }
    watched.sentinels[0].freeze();
    watched.sentinels[1].kill().await;
    let url = watched.url().replace("://", &format!("://:{of_redis}@"));
    let password = ("SPLITCART_REDIS_SENTINEL_PASSWORD", of_sentinels);

    let shop = Shop::open(&url, &[password, NO_PAUSE]).await;
    shop.until_redis_replays().await;
    shop.until_published().await;

    watched.sentinels[0].thaw();
    let log = shop.server.log().join("\n");
    assert!(
        !log.contains(of_redis) && !log.contains(of_sentinels),
        "{log}"
    );
}
