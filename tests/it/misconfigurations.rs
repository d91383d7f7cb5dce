//! The messages about a wrong setting: they say what is wrong, where, and what to do.

use std::{
    fs,
    io::Write,
    net::TcpListener,
    path::Path,
    time::{Duration, Instant},
};

use chrono::{Datelike, TimeDelta, Utc};
use serde_json::Value;
use sqlx::{ConnectOptions, postgres::PgConnectOptions};

use crate::support::{
    Database, Redis, Server, World,
    server::{refusal_to_start, splitcart},
};

/// Each message has a sentence or two, without details that help only developers of PostgreSQL.
#[tokio::test]
async fn a_postgresql_that_can_t_be_used_is_named_with_what_to_do() {
    let database = Database::create().await;
    let options = database.url.parse::<PgConnectOptions>().unwrap();
    let nobody = options.clone().username("nobody-of-that-name");
    let nothing = options.database("nothing-of-that-name");
    let closed = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    for (url, named, advice) in [
        (
            format!("postgres://u:p@{closed}/d"),
            closed.to_string(),
            "nothing listens there",
        ),
        (
            "postgres://u:p@nowhere.invalid/d".to_owned(),
            "nowhere.invalid:5432 (database d, user u)".to_owned(),
            "%40",
        ),
        (
            nothing.to_url_lossy().to_string(),
            "nothing-of-that-name".to_owned(),
            "createdb",
        ),
        (
            nobody.to_url_lossy().to_string(),
            "nobody-of-that-name".to_owned(),
            "user and password",
        ),
    ] {
        let wait_max = ("SPLITCART_DATABASE_START_WAIT_S_MAX", "2");
        let told = refusal_to_start(&[("SPLITCART_DATABASE_URL", &url), wait_max]);
        assert!(told.contains(&named) && told.contains(advice), "{told}");
        assert!(!told.contains("at line"), "{told}");
        let waiting = told.matches("waiting for PostgreSQL").count();
        assert!(waiting <= 1, "the wait is reported once: {told}");

        let mut audit = splitcart("audit");
        let output = audit.env("SPLITCART_DATABASE_URL", &url).output().unwrap();
        let told = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{told}");
        assert!(told.contains(&named) && told.contains(advice), "{told}");
    }
}

#[tokio::test]
async fn commands_do_not_wait_for_a_silent_postgresql_for_ever() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("postgres://x@{}/x", silent.local_addr().unwrap());
    let started = Instant::now();
    let mut migrate = splitcart("migrate");
    let output = migrate
        .env("SPLITCART_DATABASE_URL", &url)
        .output()
        .unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(
        told.contains("hear from PostgreSQL in time") && told.contains("a firewall"),
        "{told}"
    );
    assert!(started.elapsed() < Duration::from_secs(25));
}

/// The service starts without Redis, so the log must report it.
#[tokio::test]
async fn a_redis_that_can_t_be_used_is_told_at_start() {
    let database = Database::create().await;
    let redis = Redis::start().await;
    redis.set("requirepass", "secret").await;
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let closed = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    for (url, named) in [
        (format!("redis://{closed}"), closed.to_string()),
        (
            "redis://nowhere.invalid".to_owned(),
            "nowhere.invalid:6379".to_owned(),
        ),
        (
            format!("redis://{}", silent.local_addr().unwrap()),
            silent.local_addr().unwrap().to_string(),
        ),
        (
            format!("{}?pass=wrong", redis.url),
            "can't be used".to_owned(),
        ),
    ] {
        let server = Server::start(&database.url, &url, &[]).await;
        server.until_logged("SPLITCART_REDIS_URL").await;
        server.until_logged(&named).await;
        assert_eq!(server.operations("/readyz").await.0, 200);
    }
}

#[tokio::test]
async fn a_redis_of_the_events_own_that_can_t_be_used_is_told_at_start() {
    let events = ("SPLITCART_OUTBOX_REDIS_URL", "redis://nowhere.invalid");
    let world = World::with_settings(&[events]).await;
    world
        .server
        .until_logged("Is the URL of the sink right (SPLITCART_OUTBOX_REDIS_URL")
        .await;
    world.server.until_logged("redis.sock answers").await;
}

#[tokio::test]
async fn a_redis_that_comes_later_is_told_too() {
    let database = Database::create().await;
    let mut redis = Redis::start().await;
    redis.kill().await;
    let server = Server::start(&database.url, &redis.url, &[]).await;
    server.until_logged("going on without it").await;
    redis.restart().await;
    server.until_logged("answers").await;
}

/// "What is running here?"
#[tokio::test]
async fn a_start_says_what_runs_with_what() {
    let world = World::start().await;
    world.server.until_logged("answers").await;
    let log = world.server.log().join("\n");
    for said in [
        concat!("splitcart ", env!("CARGO_PKG_VERSION"), ": "),
        "batches of up to 64",
        "a secret (HS256)",
        "not limited",
        "migrations were missing",
        "\"database.version\":\"",
        "/.s.PGSQL",
    ] {
        let said = said.trim_end_matches("/.s.PGSQL");
        assert!(log.contains(said), "{said}: {log}");
    }
    let answers = log.lines().find(|line| line.contains("answers")).unwrap();
    let answers: Value = serde_json::from_str(answers).unwrap();
    let answers = answers["message"].as_str().unwrap();
    assert!(
        answers.starts_with("Redis ") && answers.contains("redis.sock"),
        "{answers}"
    );
}

#[tokio::test]
async fn commands_that_never_ask_redis_need_no_url_of_it() {
    let database = Database::create_bare().await;
    let run = |command: &str, arguments: &[&str]| {
        let mut command = splitcart(command);
        let output = command
            .args(arguments)
            .env("SPLITCART_DATABASE_URL", &database.url)
            .env(
                "SPLITCART_AUTH_HS256_SECRET",
                crate::support::server::SECRET,
            )
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
    };
    run("migrate", &[]);
    run(
        "seed",
        &["--vendors", "3", "--products", "9", "--buyers", "1"],
    );
    run("audit", &[]);
    run("token", &["--buyer", "1"]);
    run("import", &["docs/examples"]);
    let told = refusal_to_start(&[
        ("SPLITCART_DATABASE_URL", &database.url),
        ("SPLITCART_REDIS_URL", ""),
    ]);
    assert!(told.contains("set SPLITCART_REDIS_URL"), "{told}");
}

#[tokio::test]
async fn a_configuration_file_s_faults_are_told_with_their_lines() {
    let mut file = tempfile::Builder::new().suffix(".toml").tempfile().unwrap();
    file.write_all(b"[http]\naddress = \"127.0.0.1:1\"\n")
        .unwrap();
    let told = with_file(file.path());
    assert!(
        told.contains("line 2") && told.contains("did you mean http.addr?"),
        "{told}"
    );
    let told = with_file(Path::new("/nowhere/splitcart.toml"));
    assert!(told.contains("/nowhere/splitcart.toml"), "{told}");
}

fn with_file(path: &Path) -> String {
    let mut command = splitcart("migrate");
    let output = command.arg("--config").arg(path).output().unwrap();
    assert!(!output.status.success());
    String::from_utf8(output.stderr).unwrap()
}

#[tokio::test]
async fn a_certificate_that_has_expired_or_soon_will_is_warned_of() {
    let dir = tempfile::tempdir().unwrap();
    let (cert, key) = (dir.path().join("cert"), dir.path().join("key"));
    for (days, said) in [(-2, "expired on"), (3, "expires on"), (300, "")] {
        write_certificate(days, &cert, &key);
        let world = World::with_settings(&[
            ("SPLITCART_HTTP_TLS_CERT_FILE", cert.to_str().unwrap()),
            ("SPLITCART_HTTP_TLS_KEY_FILE", key.to_str().unwrap()),
        ])
        .await;
        let log = world.server.log().join("\n");
        assert_eq!(
            log.contains("the certificate in"),
            !said.is_empty(),
            "{log}"
        );
        assert!(log.contains(said), "{log}");
    }
}

#[tokio::test]
async fn a_key_of_another_certificate_is_told_as_such() {
    let dir = tempfile::tempdir().unwrap();
    let (cert, key) = (dir.path().join("cert"), dir.path().join("key"));
    write_certificate(300, &dir.path().join("other"), &key);
    write_certificate(300, &cert, &dir.path().join("lost"));
    let told = refusal_to_start(&[
        ("SPLITCART_HTTP_TLS_CERT_FILE", cert.to_str().unwrap()),
        ("SPLITCART_HTTP_TLS_KEY_FILE", key.to_str().unwrap()),
    ]);
    assert!(told.contains("the key is another certificate's"), "{told}");
}

/// A certificate that ends in so many days, and its key.
pub(crate) fn write_certificate(days: i64, cert: &Path, key: &Path) {
    let mut parameters = rcgen::CertificateParams::new(["localhost".to_owned()]).unwrap();
    let end = Utc::now().date_naive() + TimeDelta::days(days);
    let (month, day) = (
        end.month().try_into().unwrap(),
        end.day().try_into().unwrap(),
    );
    parameters.not_after = rcgen::date_time_ymd(end.year(), month, day);
    let pair = rcgen::KeyPair::generate().unwrap();
    let made = parameters.self_signed(&pair).unwrap();
    fs::write(cert, made.pem()).unwrap();
    fs::write(key, pair.serialize_pem()).unwrap();
}
