//! `splitcart health`: the health check of containers.

use std::{net::TcpListener, process::Output};

use crate::support::{World, server::splitcart};

/// The command, in the environment of an instance whose private listener has this address.
async fn health(ops_addr: &str, arguments: &[&str]) -> Output {
    let mut command = splitcart("health");
    command.args(arguments).env("SPLITCART_OPS_ADDR", ops_addr);
    tokio::task::spawn_blocking(move || command.output().unwrap())
        .await
        .unwrap()
}

fn stdout(output: &Output) -> &str {
    std::str::from_utf8(&output.stdout).unwrap()
}

fn stderr(output: &Output) -> &str {
    std::str::from_utf8(&output.stderr).unwrap()
}

#[tokio::test]
async fn an_instance_is_healthy_while_it_is_ready() {
    let world = World::start().await;
    let addr = world.server.ops.trim_start_matches("http://").to_owned();
    let ready = health(&addr, &[]).await;
    assert_eq!((ready.status.code(), stdout(&ready)), (Some(0), "ready\n"));
    world
        .market
        .database
        .run("delete from _sqlx_migrations where version = (select max(version) from _sqlx_migrations)")
        .await;
    // The answer of half a second ago may still be in use.
    crate::support::wait::until("it is not ready", async || {
        world.server.operations("/readyz").await.0 == 503
    })
    .await;

    let unready = health(&addr, &[]).await;

    assert_eq!(unready.status.code(), Some(1), "{unready:?}");
    let reason = "not ready: 1 migrations are missing";
    assert!(stderr(&unready).contains(reason), "{unready:?}");
    let live = format!("{}/livez", world.server.ops);
    let alive = health(&addr, &["--url", &live]).await;
    assert_eq!((alive.status.code(), stdout(&alive)), (Some(0), "alive\n"));
}

/// A frozen instance accepts connections, and answers none.
#[tokio::test]
async fn an_instance_that_does_not_answer_is_not_healthy() {
    let frozen = World::start().await;
    frozen.server.freeze();
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr();
    let nobody = free.unwrap().to_string();
    let addr = frozen.server.ops.trim_start_matches("http://");

    let (silent, closed) = tokio::join!(health(addr, &[]), health(&nobody, &[]));

    frozen.server.thaw();
    assert_eq!(silent.status.code(), Some(1), "{silent:?}");
    assert!(stderr(&silent).contains("within 3s"), "{silent:?}");
    assert_eq!(closed.status.code(), Some(1), "{closed:?}");
    assert!(stderr(&closed).contains("Connection refused"), "{closed:?}");
}
