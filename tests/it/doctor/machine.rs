//! This machine and the configuration: files, ports, clocks, settings.

use std::{fs, net::TcpListener};

use super::set_up::{Report, SetUp};
use crate::{
    misconfigurations::write_certificate,
    support::{Server, wait},
};

#[tokio::test]
async fn a_low_limit_of_open_files_is_named() {
    let mut set_up = SetUp::new().await;
    set_up.run_through(&["sh", "-c", "ulimit -n 400; exec \"$@\"", "sh"]);
    let report = set_up.examine().await;
    report.assert_names(&["machine.open_files"], &["machine.service"]);
    assert!(report.found("machine.open_files").contains("400 files"));
}

#[tokio::test]
async fn a_port_that_another_program_has_is_named() {
    let mut set_up = SetUp::new().await;
    let other = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = other.local_addr().unwrap().to_string();
    set_up.set("SPLITCART_HTTP_ADDR", &addr);
    let report = set_up.examine().await;
    report.assert_names(&["machine.http_port"], &["machine.service"]);
    drop(other);
    set_up.examine().await.assert_well();
}

#[tokio::test]
async fn ports_of_a_splitcart_that_runs_here_are_well_and_so_is_the_room_for_its_connections() {
    let mut set_up = SetUp::new().await;
    let settings = [("SPLITCART_DATABASE_MIGRATE_ON_START", "false")];
    let server = Server::start(&set_up.database_url, &set_up.keys.url, &settings).await;
    let addr = |url: &str| url.trim_start_matches("http://").to_owned();
    set_up.set("SPLITCART_HTTP_ADDR", &addr(&server.http));
    set_up.set("SPLITCART_OPS_ADDR", &addr(&server.ops));
    let report = set_up.examine().await;
    report.assert_names(&[], &[]);
    assert!(report.found("machine.service").contains("is ready"));

    set_up
        .run("delete from _sqlx_migrations where version = 18")
        .await;
    wait::until("the service is not ready", async || {
        server.operations("/readyz").await.0 == 503
    })
    .await;
    let report = set_up.examine().await;
    report.assert_names_only(&["machine.service", "postgresql.migrations"]);
    assert!(
        report
            .found("machine.service")
            .contains("migrations are missing")
    );
}

#[tokio::test]
async fn a_clock_that_differs_from_those_of_the_servers_is_named() {
    let mut set_up = SetUp::new().await;
    set_up.run_through(&[
        "env",
        "FAKETIME_DONT_FAKE_MONOTONIC=1",
        "faketime",
        "-f",
        "-30s",
    ]);
    let report = set_up.examine().await;
    report.assert_names(&["postgresql.clock", "redis.clock"], &["machine.service"]);
    let found = report.found("postgresql.clock");
    assert!(
        found.contains("s ahead of") && found.contains("30."),
        "{found}"
    );
}

#[tokio::test]
async fn a_certificate_that_has_expired_soon_will_or_has_another_key_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let (cert, key) = (dir.path().join("cert"), dir.path().join("key"));
    let mut set_up = SetUp::new().await;
    set_up.set("SPLITCART_HTTP_TLS_CERT_FILE", cert.to_str().unwrap());
    set_up.set("SPLITCART_HTTP_TLS_KEY_FILE", key.to_str().unwrap());
    for (days, said) in [(-2, "expired on"), (3, "expires on")] {
        write_certificate(days, &cert, &key);
        let report = set_up.examine().await;
        report.assert_names(&["files.certificate"], &["machine.service"]);
        assert!(report.found("files.certificate").contains(said));
    }
    write_certificate(300, &cert, &dir.path().join("other"));
    let report = set_up.examine().await;
    report.assert_names(&["files.certificate"], &["machine.service"]);
    write_certificate(300, &cert, &key);
    set_up.examine().await.assert_well();
}

#[tokio::test]
async fn a_key_of_tokens_that_can_t_be_used_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let key = dir.path().join("key");
    fs::write(&key, "no key").unwrap();
    let mut set_up = SetUp::new().await;
    set_up.set("SPLITCART_AUTH_HS256_SECRET", "");
    set_up.set("SPLITCART_AUTH_PUBLIC_KEY_FILE", key.to_str().unwrap());
    let report = set_up.examine().await;
    report.assert_names(&["files.token_keys"], &["machine.service"]);
}

#[tokio::test]
async fn a_configuration_that_can_t_be_used_is_named_and_so_is_one_that_is_a_risk() {
    let mut set_up = SetUp::new().await;
    set_up.set("SPLITCART_OPS_ADDR", "0.0.0.0:0");
    let report = set_up.examine().await;
    report.assert_names(&["configuration.risks"], &["machine.service"]);
    assert_eq!(report.line("configuration.risks")["subject"], "ops.addr");

    set_up.set("SPLITCART_OPS_ADRR", "127.0.0.1:0");
    let report = set_up.examine().await;
    report.assert_names(&["configuration.can_be_used"], &[]);
    assert!(
        report
            .found("configuration.can_be_used")
            .contains("SPLITCART_OPS_ADRR")
    );

    let mut set_up = SetUp::new().await;
    set_up.set("SPLITCART_LOG_FILTER", "=,=");
    let report = set_up.examine().await;
    report.assert_names(&["configuration.can_be_used"], &[]);
}

#[tokio::test]
async fn what_serving_lacks_is_named() {
    let mut set_up = SetUp::new().await;
    set_up.set("SPLITCART_REDIS_URL", "");
    let report: Report = set_up.examine().await;
    report.assert_names_only(&["configuration.serves"]);
}
