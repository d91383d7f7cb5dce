//! A crowd that connects at once, also while the service has no processor: no connection is refused,
//! and none has to be requested again, which takes a second.

use std::{
    fs,
    time::{Duration, Instant},
};

use futures_util::future::join_all;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use crate::support::World;

/// The time after which a client repeats a SYN that the server had no room for.
const SENT_AGAIN: Duration = Duration::from_secs(1);
const REQUEST: &[u8] = b"GET /nowhere HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";

/// Opens `count` connections at once; returns each with the time that it took.
async fn connect_all(base: &str, count: usize) -> Vec<(TcpStream, Duration)> {
    let addr = base.strip_prefix("http://").unwrap();
    let connections = (0..count).map(|_| async {
        let started = Instant::now();
        let connected = timeout(Duration::from_secs(20), TcpStream::connect(addr)).await;
        (connected.unwrap().unwrap(), started.elapsed())
    });
    join_all(connections).await
}

/// Sends a request over each connection; returns the number of answers.
async fn ask_all(connections: Vec<(TcpStream, Duration)>) -> usize {
    let asked = connections.into_iter().map(|(mut stream, _)| async move {
        stream.write_all(REQUEST).await.unwrap();
        let mut answer = Vec::new();
        let read = timeout(Duration::from_secs(30), stream.read_to_end(&mut answer)).await;
        read.unwrap().unwrap();
        usize::from(answer.starts_with(b"HTTP/1.1 404"))
    });
    join_all(asked).await.into_iter().sum()
}

/// The number of connections, at most `wanted`, that this process may have besides its other files.
fn at_most(wanted: usize) -> usize {
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    setrlimit(Resource::RLIMIT_NOFILE, hard, hard).unwrap();
    wanted.min(usize::try_from(hard).unwrap_or(usize::MAX) / 2 - 200)
}

#[tokio::test]
async fn a_crowd_waits_in_the_kernel_while_the_service_has_no_processor() {
    let world = World::start().await;
    let system = fs::read_to_string("/proc/sys/net/core/somaxconn").unwrap();
    let system: usize = system.trim().parse().unwrap();
    for base in [&world.server.http, &world.server.ops] {
        // More than twice the standard library's backlog.
        let count = at_most(1_000.min(system));
        assert!(count > 300, "this system's backlog is {system}");
        world.server.freeze();
        let connections = connect_all(base, count).await;
        world.server.thaw();

        let slow = connections.iter().filter(|(_, took)| *took >= SENT_AGAIN);
        assert_eq!(slow.count(), 0, "of {count} at {base}");
        assert_eq!(ask_all(connections).await, count, "at {base}");
    }
}

#[tokio::test]
async fn five_thousand_connections_at_once_are_all_taken_and_served() {
    let world = World::start().await;
    let count = at_most(5_000);
    let started = Instant::now();
    let connections = connect_all(&world.server.http, count).await;
    let connected_after = started.elapsed();

    let slowest = connections.iter().map(|(_, took)| *took).max().unwrap();
    // On a busy machine this process may itself need longer to open all connections one after the other.
    assert!(slowest < SENT_AGAIN.max(connected_after), "{slowest:?}");
    assert_eq!(ask_all(connections).await, count);
}
