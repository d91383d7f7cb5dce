//! With real servers, each in its own temporary directory.

use std::fs;

use sqlx::{Connection, postgres::PgConnection};
use tempfile::TempDir;

use crate::leftover;

use super::*;

async fn connect(postgres: &PrivatePostgres) -> PgConnection {
    PgConnection::connect(postgres.database_url())
        .await
        .unwrap()
}

async fn write_row(postgres: &PrivatePostgres) {
    let mut connection = connect(postgres).await;
    sqlx::raw_sql("create table kept (id integer); insert into kept values (7)")
        .execute(&mut connection)
        .await
        .unwrap();
}

async fn read_row(postgres: &PrivatePostgres) -> i32 {
    let mut connection = connect(postgres).await;
    sqlx::query_scalar("select id from kept")
        .fetch_one(&mut connection)
        .await
        .unwrap()
}

fn raw_pid(pid: Option<u32>) -> nix::unistd::Pid {
    nix::unistd::Pid::from_raw(i32::try_from(pid.unwrap()).unwrap())
}

fn tempdir() -> TempDir {
    tempfile::tempdir_in("/tmp").unwrap()
}

#[tokio::test]
async fn data_survive_a_stop_and_a_stale_pid_file_of_another_process_does_no_harm() {
    let root = tempdir();
    // What a crash in the middle of the first start leaves.
    fs::create_dir(root.path().join("postgres.new")).unwrap();
    fs::write(root.path().join("postgres.new/PG_VERSION"), "15\n").unwrap();
    fs::write(root.path().join("lock"), "").unwrap();

    let first = PrivatePostgres::start_at(root.path()).await.unwrap();
    write_row(&first).await;
    first.stop().await.unwrap();

    let account = Account::for_services().unwrap();
    let mut bystander = Command::new("sleep");
    account.runs(&mut bystander);
    let mut bystander = bystander.arg("600").kill_on_drop(true).spawn().unwrap();
    let pid_file = root.path().join("postgres/postmaster.pid");
    fs::write(
        &pid_file,
        format!("{}\n{}\n", bystander.id().unwrap(), root.path().display()),
    )
    .unwrap();

    let second = PrivatePostgres::start_at(root.path()).await.unwrap();
    assert_eq!(read_row(&second).await, 7);
    assert!(
        bystander.try_wait().unwrap().is_none(),
        "the bystander was killed"
    );
    second.stop().await.unwrap();
}

#[tokio::test]
async fn a_server_that_a_killed_owner_left_running_is_stopped_and_started_anew() {
    let root = tempdir();
    let first = PrivatePostgres::start_at(root.path()).await.unwrap();
    write_row(&first).await;
    let left_running = raw_pid(first.pid());
    first.abandon();
    nix::sys::signal::kill(left_running, None).unwrap();

    let second = PrivatePostgres::start_at(root.path()).await.unwrap();
    assert_ne!(raw_pid(second.pid()), left_running);
    assert_eq!(read_row(&second).await, 7);
    second.stop().await.unwrap();
}

#[tokio::test]
async fn a_kill_is_reported_and_loses_nothing_that_was_acknowledged() {
    let root = tempdir();
    let mut first = PrivatePostgres::start_at(root.path()).await.unwrap();
    write_row(&first).await;
    leftover::send(raw_pid(first.pid()), Signal::SIGKILL);
    let message = first.wait_for_failure().await.to_string();
    assert!(
        message.starts_with("PostgreSQL ended by itself (signal: 9"),
        "{message}"
    );
    drop(first);

    let second = PrivatePostgres::start_at(root.path()).await.unwrap();
    assert_eq!(read_row(&second).await, 7);
}

#[tokio::test]
async fn a_second_owner_of_the_directory_is_refused() {
    let first = PrivatePostgres::start().await.unwrap();
    let error = PrivatePostgres::start_at(first.data_dir())
        .await
        .unwrap_err();
    assert!(matches!(error, Error::InUse { .. }), "{error}");
}

#[tokio::test]
async fn an_odd_and_long_path_is_no_obstacle() {
    let root = tempdir();
    fs::set_permissions(
        root.path(),
        std::os::unix::fs::PermissionsExt::from_mode(0o711),
    )
    .unwrap();
    let odd = root.path().join("a, \"b\" & c?").join("d".repeat(100));
    fs::create_dir_all(&odd).unwrap();
    let long = PrivatePostgres::start_at(&odd).await.unwrap();
    write_row(&long).await;
    long.stop().await.unwrap();

    let odd = root.path().join("x \"y\" & z?");
    let postgres = PrivatePostgres::start_at(&odd).await.unwrap();
    write_row(&postgres).await;
}

#[tokio::test]
async fn the_last_lines_of_the_log_say_why_a_start_failed() {
    let root = tempdir();
    PrivatePostgres::start_at(root.path())
        .await
        .unwrap()
        .stop()
        .await
        .unwrap();
    fs::write(
        root.path().join("postgres/postgresql.auto.conf"),
        "no_such_setting = 1\n",
    )
    .unwrap();
    let message = PrivatePostgres::start_at(root.path())
        .await
        .unwrap_err()
        .to_string();
    assert!(message.contains("no_such_setting"), "{message}");
}
