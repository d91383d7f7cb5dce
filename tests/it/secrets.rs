//! The secrets of tokens and servers: random if none is configured, never passed on, never too short.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Output,
};

use sqlx::{Connection, PgConnection};

use crate::support::{
    Client, Database, Redis, Server, World,
    redis::signal,
    server::{SECRET, refusal_to_start, serve, splitcart},
    wait,
};

fn data_dir() -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::Builder::new()
        .prefix("splitcart-secret-")
        .tempdir()
        .unwrap();
    let data_dir = dir.path().join("data");
    (dir, data_dir)
}

fn token(arguments: &[&str], settings: &[(&str, &str)]) -> Output {
    let mut command = splitcart("token");
    command
        .args(["--buyer", "1"])
        .args(arguments)
        .envs(settings.iter().copied());
    command.output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// Without a configured secret, the server and `splitcart token` share the data directory's.
#[tokio::test]
async fn a_private_server_has_a_random_secret_that_the_token_command_finds() {
    let ((_one, here), (_other, there)) = (data_dir(), data_dir());
    let server = Server::start_embedded_with(&here, &[("SPLITCART_AUTH_HS256_SECRET", "")]).await;
    let _elsewhere =
        Server::start_embedded_with(&there, &[("SPLITCART_AUTH_HS256_SECRET", "")]).await;
    let secret = here.join("secret");
    let mode = fs::metadata(&secret).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert!(fs::read_to_string(&secret).unwrap().trim().len() >= 64);

    let ask = async |data_dir: &Path| {
        let output = token(&["--data-dir", data_dir.to_str().unwrap()], &[]);
        assert!(output.status.success(), "{output:?}");
        assert!(output.stderr.is_empty(), "{output:?}");
        let client = Client::new(&server.http, Some(text(&output.stdout).trim().to_owned()));
        client.get_cart().await.code()
    };
    // The person is not in the database; the token is good.
    assert_eq!(ask(&here).await, "FORBIDDEN");
    assert_eq!(ask(&there).await, "UNAUTHORIZED");
}

#[tokio::test]
async fn the_token_command_says_what_is_missing() {
    let (_dir, data_dir) = data_dir();
    let told = token(&["--data-dir", data_dir.to_str().unwrap()], &[]);
    let told = text(&told.stderr);
    assert!(
        told.contains("there is no secret of tokens in") && told.contains("splitcart serve"),
        "{told}"
    );
    assert!(!data_dir.exists(), "asking makes nothing");
    let told = token(&[], &[("SPLITCART_DATABASE_URL", "postgres://db/x")]);
    let told = text(&told.stderr);
    assert!(told.contains("SPLITCART_AUTH_HS256_SECRET_FILE"), "{told}");
}

#[tokio::test]
async fn a_server_with_a_database_of_its_owner_s_needs_a_secret_of_its_owner_s() {
    let told = refusal_to_start(&[("SPLITCART_AUTH_HS256_SECRET", "")]);
    assert!(told.contains("openssl rand -hex 32"), "{told}");
    assert!(told.contains("SPLITCART_AUTH_JWKS_FILE"), "{told}");
}

#[tokio::test]
async fn a_short_secret_stays_on_loopback_and_is_warned_of_there() {
    let short = ("SPLITCART_AUTH_HS256_SECRET", "abc");
    let told = refusal_to_start(&[short, ("SPLITCART_HTTP_ADDR", "0.0.0.0:0")]);
    assert!(told.contains("openssl rand -hex 32"), "{told}");

    let world = World::with_settings(&[short]).await;
    let log = world.server.log().join("\n");
    assert!(log.contains("shorter than 32 bytes"), "{log}");
}

#[tokio::test]
async fn secrets_are_read_from_files() {
    let database = Database::create().await;
    let redis = Redis::start().await;
    let dir = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = dir.path().join(name);
        fs::write(&path, format!("{text}\n")).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let (url, redis_url, secret) = (
        file("database", &database.url),
        file("redis", &redis.url),
        file("secret", SECRET),
    );
    let settings = [
        ("SPLITCART_DATABASE_URL", ""),
        ("SPLITCART_REDIS_URL", ""),
        ("SPLITCART_AUTH_HS256_SECRET", ""),
        ("SPLITCART_DATABASE_URL_FILE", url.as_str()),
        ("SPLITCART_REDIS_URL_FILE", &redis_url),
        ("SPLITCART_AUTH_HS256_SECRET_FILE", &secret),
    ];
    let server = Server::start("", "", &settings).await;
    let output = token(&[], &[("SPLITCART_AUTH_HS256_SECRET_FILE", &secret)]);
    let client = Client::new(&server.http, Some(text(&output.stdout).trim().to_owned()));
    assert_eq!(client.get_cart().await.code(), "FORBIDDEN");
}

/// A superuser of PostgreSQL can read the environment that its server was started with.
#[tokio::test]
async fn private_servers_are_told_nothing_of_our_environment() {
    let (_dir, data_dir) = data_dir();
    let _server = Server::start_embedded_with(
        &data_dir,
        &[("AWS_SECRET_ACCESS_KEY", "a-key-of-somebody-else")],
    )
    .await;
    let url = format!(
        "postgres:///splitcart?host={}/run&user=splitcart",
        data_dir.display()
    );
    let mut owner = PgConnection::connect(&url).await.unwrap();
    sqlx::raw_sql("create temp table seen (line text); copy seen from program 'env'")
        .execute(&mut owner)
        .await
        .unwrap();
    let seen: Vec<String> = sqlx::query_scalar("select line from seen")
        .fetch_all(&mut owner)
        .await
        .unwrap();
    assert!(
        seen.iter().any(|line| line.starts_with("PATH=")),
        "{seen:?}"
    );
    let redis = fs::read(format!(
        "/proc/{}/environ",
        working_in(&data_dir.join("redis"))
    ))
    .unwrap();
    let all = seen.join("\n") + &String::from_utf8_lossy(&redis);
    for leaked in [SECRET, "a-key-of-somebody-else", "SPLITCART_", "HOME="] {
        assert!(!all.contains(leaked), "{leaked}: {all}");
    }
}

fn working_in(directory: &Path) -> u32 {
    let processes = fs::read_dir("/proc").unwrap().flatten();
    processes
        .filter(|it| fs::read_link(it.path().join("cwd")).is_ok_and(|place| place == directory))
        .find_map(|it| it.file_name().to_str()?.parse().ok())
        .expect("the program runs")
}

/// Log rotation tools send these signals to services, to have their logs reopened.
#[tokio::test]
async fn a_server_takes_no_notice_of_signals_that_mean_nothing_to_it() {
    let mut world = World::start().await;
    for name in ["USR1", "USR2"] {
        signal(world.server.id(), name);
    }
    assert_eq!(world.server.operations("/livez").await.0, 200);
    world.server.terminate();
    assert!(world.server.ended().await.success());
    let log = world.server.log().join("\n");
    assert!(log.contains("stopped"), "{log}");
}

/// The link came with a cloned repository.
#[tokio::test]
async fn a_planted_lock_is_refused_by_every_command_and_its_target_is_left_alone() {
    let (dir, data_dir) = data_dir();
    fs::create_dir(&data_dir).unwrap();
    let target = dir.path().join("precious");
    fs::write(&target, "precious").unwrap();
    std::os::unix::fs::symlink(&target, data_dir.join("lock")).unwrap();
    for command in ["serve", "demo", "audit", "seed", "migrate", "embedded"] {
        let mut command = if command == "serve" {
            serve()
        } else {
            splitcart(command)
        };
        let output = command.arg("--data-dir").arg(&data_dir).output().unwrap();
        let told = text(&output.stderr);
        assert!(!output.status.success(), "{told}");
        assert!(told.contains("is a link"), "{told}");
        assert_eq!(fs::read_to_string(&target).unwrap(), "precious");
    }
    wait::until("nothing runs there", async || {
        let below = |place: PathBuf| place.starts_with(&data_dir);
        !fs::read_dir("/proc")
            .unwrap()
            .flatten()
            .any(|it| fs::read_link(it.path().join("cwd")).is_ok_and(below))
    })
    .await;
}
