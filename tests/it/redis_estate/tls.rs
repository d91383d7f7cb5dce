//! TLS: the authority is checked, a client certificate is shown, and what is wrong is named.

use std::fs;

use private_servers::find_broker;
use tempfile::TempDir;

use crate::support::{
    RedisServer, authority::Authority, patience::SLOW_REDIS, redis_server::NO_CERTIFICATES,
    server::refusal_to_start, tls_front::TlsFront,
};

use super::{NO_PAUSE, Shop, events_on};

struct Authorities {
    own: Authority,
    foreign: Authority,
    _dirs: [TempDir; 2],
}

impl Authorities {
    fn new() -> Self {
        let dirs = [(); 2].map(|()| TempDir::new().unwrap());
        Self {
            own: Authority::in_directory(dirs[0].path()),
            foreign: Authority::in_directory(dirs[1].path()),
            _dirs: dirs,
        }
    }
}

const CA: &str = "SPLITCART_REDIS_TLS_CA_FILE";
const CERT: &str = "SPLITCART_REDIS_TLS_CERT_FILE";
const KEY: &str = "SPLITCART_REDIS_TLS_KEY_FILE";

#[tokio::test]
async fn claims_answers_and_events_go_over_tls() {
    let authorities = Authorities::new();
    let redis = RedisServer::start_tls(&authorities.own, NO_CERTIFICATES).await;
    let url = format!("rediss://{}", redis.address());
    let ca = authorities.own.name("ca.pem");
    let shop = Shop::open(&url, &[(CA, &ca), SLOW_REDIS]).await;

    shop.until_redis_replays().await;
    shop.until_published().await;

    let groups = "select count(*) from checkout_groups";
    let bought = usize::try_from(shop.market.database.count(groups).await).unwrap();
    assert_eq!(events_on(&redis).await.len(), bought);
    assert_eq!(shop.failures().await, 0.0);
    let (state, servers) = shop.redis_state().await;
    assert_eq!((state.as_str(), servers.len()), ("ready", 1));
    assert_eq!(servers[0]["address"], redis.address());
    assert_eq!(servers[0]["role"], "primary");
    let told = format!("at {} answers (primary)", redis.address());
    shop.server.until_logged(&told).await;
}

#[tokio::test]
async fn a_redis_of_another_authority_is_refused_by_name_and_trusted_once_the_file_has_it() {
    let authorities = Authorities::new();
    let redis = RedisServer::start_tls(&authorities.own, NO_CERTIFICATES).await;
    let url = format!("rediss://{}", redis.address());
    let file = authorities.foreign.name("ca.pem");
    let shop = Shop::open(&url, &[(CA, &file), NO_PAUSE]).await;
    let shopper = shop.shopper().await;

    let first = shopper.check_out().await;
    let replay = shopper.check_out().await;

    assert_eq!((first.status, first.is_replay()), (201, false));
    super::assert_is_replay(&replay, &first);
    assert!(shop.failures().await > 0.0);
    assert_eq!(shop.replays_from("redis").await, 0.0);
    assert_eq!(shop.redis_state().await.0, "unreachable");
    shop.server.until_logged("invalid peer certificate").await;

    fs::copy(authorities.own.file("ca.pem"), &file).unwrap();
    shop.until_redis_replays().await;
    shop.until_published().await;
}

/// The certificate of the tests is for localhost and 127.0.0.1 only.
#[tokio::test]
async fn a_certificate_for_another_host_is_refused() {
    let authorities = Authorities::new();
    let redis = RedisServer::start_tls(&authorities.own, NO_CERTIFICATES).await;
    let url = format!("rediss://127.0.0.2:{}", redis.port);
    redis
        .tell(&["CONFIG", "SET", "bind", "127.0.0.1 127.0.0.2"])
        .await;
    let shop = Shop::open(&url, &[(CA, &authorities.own.name("ca.pem"))]).await;

    assert_eq!(shop.redis_state().await.0, "unreachable");
    shop.server.until_logged("invalid peer certificate").await;
    shop.server.until_logged("not valid for name").await;
}

#[tokio::test]
async fn a_client_certificate_is_shown_where_redis_demands_one() {
    let authorities = Authorities::new();
    let redis = RedisServer::start_tls(&authorities.own, "tls-auth-clients yes").await;
    let url = format!("rediss://{}", redis.address());
    let name = |name| authorities.own.name(name);
    let (ca, cert, key) = (name("ca.pem"), name("client.pem"), name("client.key"));

    let without = Shop::open(&url, &[(CA, &ca), NO_PAUSE]).await;
    assert_eq!(without.redis_state().await.0, "unreachable");
    assert_eq!(without.shopper().await.check_out().await.status, 201);

    let with = Shop::open(&url, &[(CA, &ca), (CERT, &cert), (KEY, &key)]).await;
    with.until_redis_replays().await;
    with.until_published().await;
}

/// The Valkey of the tests was built without TLS, so it has something in front that speaks it.
#[tokio::test]
async fn valkey_is_used_under_its_own_scheme() {
    let authorities = Authorities::new();
    let program = find_broker("valkey-server").unwrap();
    let valkey = RedisServer::start_program(program).await;
    let front = TlsFront::start(&authorities.own, valkey.port).await;
    let url = format!("valkeys://localhost:{}", front.port);
    let shop = Shop::open(&url, &[(CA, &authorities.own.name("ca.pem"))]).await;

    shop.until_redis_replays().await;
    shop.until_published().await;

    let (state, servers) = shop.redis_state().await;
    assert_eq!(state, "ready");
    let version = servers[0]["version"].as_str().unwrap();
    assert!(version.starts_with("9."), "{version}");
}

#[test]
fn settings_of_tls_that_can_t_be_used_are_named_at_start() {
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
    let url = ("SPLITCART_REDIS_URL", "rediss://:hunter2@nowhere.invalid");
    for (settings, named) in [
        (
            vec![url, (CA, "/nowhere/ca.pem")],
            "/nowhere/ca.pem can't be read",
        ),
        (vec![url, (CA, manifest)], "holds no certificate in PEM"),
        (
            vec![url, (CERT, manifest)],
            "tls_cert_file and tls_key_file go together",
        ),
        (vec![(CA, manifest)], "the URL is not one of TLS"),
        (
            vec![("SPLITCART_REDIS_URL", "redis+sentinel://:hunter2@h")],
            "does not name the service",
        ),
        (
            vec![url, ("SPLITCART_REDIS_SENTINEL_PASSWORD", "hunter2")],
            "the URL names no Sentinels",
        ),
    ] {
        let told = refusal_to_start(&settings);
        assert!(told.contains(named), "{told}");
        assert!(!told.contains("hunter2"), "{told}");
    }
}
