//! PostgreSQL: away, hanging, refusing, and set up in ways that harm the service.

use std::{net::TcpListener, time::Duration};

use private_servers::PrivatePostgres;
use sqlx::{ConnectOptions, Connection, PgConnection, postgres::PgConnectOptions};

use super::set_up::SetUp;
use crate::support::{
    pgbouncer::{PgBouncer, Pool},
    pooler::{Logins, Pooler},
    redis::signal,
    wait,
};

const SESSIONS: [&str; 3] = [
    "postgresql.session_settings",
    "postgresql.planner",
    "postgresql.isolation",
];

#[tokio::test]
async fn a_set_up_that_is_well_is_reported_as_such() {
    SetUp::new().await.examine().await.assert_well();
}

#[tokio::test]
async fn a_postgresql_that_is_not_there_is_named() {
    let mut set_up = SetUp::new().await;
    let closed = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    set_up.database_url = format!("postgres://u:hunter2@{closed}/d");
    let report = set_up.examine().await;
    report.assert_names_only(&["postgresql.reachable"]);
    let line = report.line("postgresql.reachable").to_string();
    assert!(
        line.contains(&closed.to_string()) && line.contains("nothing listens there"),
        "{line}"
    );
    assert!(!line.contains("hunter2"), "{line}");
}

/// PostgreSQL and the Redis of keys hang at once: the looks do not wait for each other.
#[tokio::test]
async fn a_postgresql_and_a_redis_that_hang_are_named_and_not_waited_for() {
    let dir = tempfile::tempdir_in("/tmp").unwrap();
    let postgres = PrivatePostgres::start_at(&dir.path().join("data"))
        .await
        .unwrap();
    let set_up = SetUp::on(postgres.database_url()).await;
    let pid = postgres.pid().unwrap();
    signal(pid, "STOP");
    set_up.keys.freeze();
    let mut command = set_up.command();
    command.args(["--timeout", "3"]);
    let report = super::set_up::Report::of(command).await;
    signal(pid, "CONT");
    set_up.keys.thaw();
    report.assert_names_only(&["postgresql.reachable", "redis.reachable"]);
    report.assert_took_less_than(Duration::from_secs(6));
    set_up.examine().await.assert_well();
}

#[tokio::test]
async fn a_wrong_password_is_named() {
    let dir = tempfile::tempdir_in("/tmp").unwrap();
    let data_dir = dir.path().join("data");
    let postgres = PrivatePostgres::start_at(&data_dir).await.unwrap();
    let mut set_up = SetUp::on(postgres.database_url()).await;
    let role = &set_up.role;
    let mut owner = PgConnection::connect(&set_up.owner_url).await.unwrap();
    set_up
        .run(&format!("alter role {role} password 'right'"))
        .await;
    let rules = format!("local all {role} scram-sha-256\nlocal all all trust\n");
    std::fs::write(data_dir.join("postgres/pg_hba.conf"), rules).unwrap();
    let options: PgConnectOptions = set_up.database_url.parse().unwrap();
    let with = |password: &str| {
        options
            .clone()
            .password(password)
            .to_url_lossy()
            .to_string()
    };
    let (wrong, right) = (with("mistyped"), with("right"));
    sqlx::query("select pg_reload_conf()")
        .execute(&mut owner)
        .await
        .unwrap();
    wait::until("passwords are checked", async || {
        PgConnection::connect(&wrong).await.is_err()
    })
    .await;

    set_up.database_url = wrong;
    let report = set_up.examine().await;
    report.assert_names_only(&["postgresql.reachable"]);
    let line = report.line("postgresql.reachable").to_string();
    assert!(line.contains("password authentication failed"), "{line}");
    assert!(!line.contains("mistyped"), "{line}");
    set_up.database_url = right;
    set_up.examine().await.assert_well();
}

#[tokio::test]
async fn a_server_that_may_lose_commits_is_named() {
    let dir = tempfile::tempdir_in("/tmp").unwrap();
    let settings = &["fsync=off", "synchronous_commit=off", "autovacuum=off"];
    let data_dir = dir.path().join("data");
    let postgres = PrivatePostgres::start_with_settings(&data_dir, settings)
        .await
        .unwrap();
    let set_up = SetUp::on(postgres.database_url()).await;
    let report = set_up.examine().await;
    let seen = ["machine.service"];
    report.assert_names(&["postgresql.fsync", "postgresql.autovacuum"], &seen);
    let commit = report.found("postgresql.synchronous_commit");
    assert!(
        commit.contains("the default is off") && commit.contains("to on"),
        "{commit}"
    );
}

#[tokio::test]
async fn a_standby_in_the_place_of_the_primary_is_named() {
    let dir = tempfile::tempdir_in("/tmp").unwrap();
    let data_dir = dir.path().join("data");
    let postgres = PrivatePostgres::start_at(&data_dir).await.unwrap();
    let set_up = SetUp::on(postgres.database_url()).await;
    postgres.stop().await.unwrap();
    // Without a primary to follow it stays in recovery, and serves reads.
    std::fs::write(data_dir.join("postgres/standby.signal"), "").unwrap();
    let postgres = PrivatePostgres::start_at(&data_dir).await.unwrap();
    let report = set_up.examine().await;
    report.assert_names_only(&["postgresql.writable"]);
    drop(postgres);
}

#[tokio::test]
async fn too_few_connections_are_named_with_their_number() {
    let set_up = SetUp::new().await;
    let role = &set_up.role;
    set_up
        .run(&format!("alter database {role} connection limit 12"))
        .await;
    let report = set_up.examine().await;
    report.assert_names(&["postgresql.connections"], &["machine.service"]);
    let found = report.found("postgresql.connections");
    assert!(
        found.contains("connections to PostgreSQL, which lets in"),
        "{found}"
    );
}

#[tokio::test]
async fn limits_that_end_idle_sessions_are_named() {
    let set_up = SetUp::new().await;
    let role = &set_up.role;
    set_up
        .run(&format!(
            "alter role {role} set idle_session_timeout = '90s'"
        ))
        .await;
    let report = set_up.examine().await;
    report.assert_names(&["postgresql.idle_timeouts"], &["machine.service"]);
    assert!(
        report
            .found("postgresql.idle_timeouts")
            .contains("90000 ms")
    );
}

#[tokio::test]
async fn defaults_of_a_role_that_our_sessions_override_are_well() {
    let set_up = SetUp::new().await;
    let role = &set_up.role;
    let defaults = format!(
        "alter role {role} set default_transaction_isolation = 'serializable';
         alter role {role} set default_transaction_read_only = 'on';
         alter role {role} set enable_seqscan = 'on';
         alter role {role} set synchronous_commit = 'off'"
    );
    set_up.run(&defaults).await;
    set_up.examine().await.assert_well();
}

#[tokio::test]
async fn a_pooler_that_shares_sessions_is_named_unless_the_settings_know_it() {
    let mut set_up = SetUp::new().await;
    let pool = Pool {
        sessions_max: 4,
        statements_max: 1000,
    };
    let pooler = PgBouncer::before(&set_up.database_url, pool).await;
    set_up.database_url = pooler.url();
    let report = set_up.examine().await;
    report.assert_names_only(&SESSIONS);
    assert!(report.found(SESSIONS[0]).contains("database.pool_mode"));

    for (variable, value) in pooler.settings() {
        set_up.set(variable, value);
    }

    set_up.examine().await.assert_names_only(&[]);
}

#[tokio::test]
async fn a_pooler_that_refuses_startup_options_is_no_problem() {
    let mut set_up = SetUp::new().await;
    let pooler = Pooler::before(&set_up.database_url, Logins::RefuseOptions).await;
    set_up.database_url = pooler.url();
    set_up.examine().await.assert_names_only(&[]);
}

#[tokio::test]
async fn missing_migrations_are_named() {
    let set_up = SetUp::new().await;
    set_up
        .run("delete from _sqlx_migrations where version = (select max(version) from _sqlx_migrations)")
        .await;
    let report = set_up.examine().await;
    report.assert_names_only(&["postgresql.migrations"]);
    assert!(report.found("postgresql.migrations").starts_with("1 of "));
}

#[tokio::test]
async fn migrations_of_a_newer_version_unfinished_and_changed_ones_are_named() {
    for (statement, named) in [
        (
            "update _sqlx_migrations set checksum = '' where version = 1",
            "differs",
        ),
        (
            "insert into _sqlx_migrations (version, description, success, checksum, execution_time)
             values (9999, 'later', true, '', 0)",
            "9999",
        ),
        (
            "update _sqlx_migrations set success = false
             where version = (select max(version) from _sqlx_migrations)",
            "did not finish",
        ),
    ] {
        let set_up = SetUp::new().await;
        set_up.run(statement).await;
        let report = set_up.examine().await;
        report.assert_names(&["postgresql.migrations"], &["machine.service"]);
        let found = report.found("postgresql.migrations");
        assert!(found.contains(named), "{found}");
    }
}

#[tokio::test]
async fn a_superuser_as_the_serving_role_is_named() {
    let mut set_up = SetUp::new().await;
    set_up.database_url.clone_from(&set_up.owner_url);
    set_up
        .examine()
        .await
        .assert_names(&["postgresql.role"], &["machine.service"]);
}

#[tokio::test]
async fn privileges_that_are_missing_are_named_one_by_one() {
    let set_up = SetUp::new().await;
    let role = &set_up.role;
    let revoke = format!(
        "revoke insert on outbox_events from {role};
         revoke update (total) on checkout_groups from {role};
         revoke usage on sequence outbox_events_seq from {role}"
    );
    set_up.run(&revoke).await;
    let report = set_up.examine().await;
    report.assert_names(&["postgresql.privileges"], &["machine.service"]);
    assert_eq!(
        report.found("postgresql.privileges"),
        "the role lacks insert on outbox_events, update on checkout_groups, usage on outbox_events_seq"
    );
}

#[tokio::test]
async fn a_role_that_is_to_migrate_and_may_not_is_named() {
    let mut set_up = SetUp::new().await;
    set_up.set("SPLITCART_DATABASE_MIGRATE_ON_START", "true");
    set_up
        .examine()
        .await
        .assert_names(&["postgresql.role"], &["machine.service"]);
}

#[tokio::test]
async fn a_look_changes_nothing() {
    let set_up = SetUp::new().await;
    let mut connection = PgConnection::connect(&set_up.owner_url).await.unwrap();
    let mut written = async || {
        sqlx::query_scalar::<_, Option<String>>("select pg_current_xact_id_if_assigned()::text")
            .fetch_one(&mut connection)
            .await
            .unwrap();
        sqlx::query_scalar::<_, i64>(
            "select coalesce(sum(n_tup_ins + n_tup_upd + n_tup_del), 0)::bigint
                from pg_stat_user_tables",
        )
        .fetch_one(&mut connection)
        .await
        .unwrap()
    };
    let before = written().await;
    set_up.examine().await.assert_well();
    assert_eq!(written().await, before);
    for redis in [&set_up.keys, &set_up.events] {
        let mut connection = redis.connect().await.unwrap();
        let size: i64 = ::redis::cmd("DBSIZE")
            .query_async(&mut connection)
            .await
            .unwrap();
        assert_eq!(size, 0);
    }
}
