//! Tests of both services together.

use std::fs;

use nix::sys::signal::Signal;
use sqlx::{Connection, postgres::PgConnection};

use super::*;

fn temporary() -> Options {
    Options {
        data_dir: DataDir::Temporary,
        memory: Memory::Little,
    }
}

#[tokio::test]
async fn a_server_that_lasts_takes_its_share_of_the_machine_and_one_of_several_does_not() {
    for (memory, little) in [(Memory::Little, true), (Memory::ByTheMachine, false)] {
        let options = Options {
            memory,
            ..temporary()
        };
        let services = EmbeddedServices::start(options).await.unwrap();
        let mut connection = PgConnection::connect(services.database_url())
            .await
            .unwrap();
        let settings = "select pg_size_bytes(current_setting('shared_buffers')) = 256 * 1024 * 1024
            and pg_size_bytes(current_setting('maintenance_work_mem')) = 64 * 1024 * 1024";
        let is_little: bool = sqlx::query_scalar(settings)
            .fetch_one(&mut connection)
            .await
            .unwrap();
        assert_eq!(is_little, little, "{memory:?}");
        services.stop().await.unwrap();
    }
}

#[tokio::test]
async fn both_services_answer_and_leave_nothing_behind() {
    let services = EmbeddedServices::start(temporary()).await.unwrap();
    let directory = services.data_dir().to_owned();
    let mut connection = PgConnection::connect(services.database_url())
        .await
        .unwrap();
    let durable: String = sqlx::query_scalar("select current_setting('synchronous_commit')")
        .fetch_one(&mut connection)
        .await
        .unwrap();
    assert_eq!(durable, "on");
    connection.close().await.unwrap();
    let redis = ::redis::Client::open(services.redis_url()).unwrap();
    let mut redis = redis.get_multiplexed_async_connection().await.unwrap();
    ::redis::cmd("PING")
        .query_async::<()>(&mut redis)
        .await
        .unwrap();

    let postgres = services.postgres_pid().unwrap();
    services.stop().await.unwrap();
    assert!(!directory.exists());
    assert!(!Path::new(&format!("/proc/{postgres}")).exists());
}

#[tokio::test]
async fn a_redis_that_ends_is_started_again_at_the_same_place() {
    let mut services = EmbeddedServices::start(temporary()).await.unwrap();
    let redis = services.redis_pid().unwrap();
    let url = services.redis_url().to_owned();
    leftover::send(
        nix::unistd::Pid::from_raw(i32::try_from(redis).unwrap()),
        Signal::SIGKILL,
    );
    let client = ::redis::Client::open(url.as_str()).unwrap();
    let answers = async {
        while client.get_multiplexed_async_connection().await.is_err() {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    };
    tokio::select! {
        error = services.wait_for_failure() => panic!("{error}"),
        () = async {
            // It is dead before it can answer again.
            while client.get_multiplexed_async_connection().await.is_ok() {
                tokio::task::yield_now().await;
            }
            answers.await;
        } => {}
    }
    assert_eq!(services.redis_url(), url);
    services.stop().await.unwrap();
}

#[tokio::test]
async fn a_start_that_is_given_up_leaves_no_process_behind() {
    let root = tempfile::tempdir_in("/tmp").unwrap();
    let options = Options {
        data_dir: DataDir::Explicit(root.path().to_owned()),
        memory: Memory::Little,
    };
    {
        let start = EmbeddedServices::start(options);
        tokio::pin!(start);
        let log = root.path().join("postgres.log");
        loop {
            tokio::select! {
                biased;
                _ = &mut start => panic!("the start was not interrupted"),
                () = tokio::time::sleep(std::time::Duration::from_millis(1)) => {}
            }
            if log.exists() {
                break;
            }
        }
    }
    assert_eq!(working_below(root.path()), 0);
}

#[tokio::test]
async fn the_temporary_services_of_a_killed_owner_are_cleared_away_by_the_next_start() {
    let left = tempfile::Builder::new()
        .prefix("splitcart-")
        .tempdir()
        .unwrap();
    let explicit = Options {
        data_dir: DataDir::Explicit(left.path().to_owned()),
        memory: Memory::Little,
    };
    let EmbeddedServices {
        postgres,
        redis,
        directory,
        ..
    } = EmbeddedServices::start(explicit).await.unwrap();
    postgres.abandon();
    redis.abandon();
    drop(directory);
    let mark = fs::File::create(left.path().join("temporary")).unwrap();
    mark.set_modified(std::time::UNIX_EPOCH).unwrap();

    EmbeddedServices::start(temporary())
        .await
        .unwrap()
        .stop()
        .await
        .unwrap();
    // Another test's start may have come first, and may not be done.
    let gone = async {
        while left.path().exists() {
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_mins(1), gone)
        .await
        .unwrap();
    assert_eq!(working_below(left.path()), 0);
}

fn working_below(directory: &Path) -> usize {
    fs::read_dir("/proc")
        .unwrap()
        .flatten()
        .filter_map(|entry| fs::read_link(entry.path().join("cwd")).ok())
        .filter(|place| place.starts_with(directory))
        .count()
}
