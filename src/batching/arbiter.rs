//! Arbiters for desks. A desk runs on an arbiter of its own, with the connections that it uses, because a
//! socket belongs to the runtime that opened it.

use actix_rt::Arbiter;
use tokio::sync::oneshot;

/// Starts an arbiter and opens something on it.
pub async fn open_on_new<T: Send + 'static>(
    open: impl FnOnce() -> T + Send + 'static,
) -> (T, Arbiter) {
    let arbiter = Arbiter::new();
    let (started, opened) = oneshot::channel();
    let started = arbiter.spawn_fn(move || drop(started.send(open())));
    assert!(started, "a new arbiter runs");
    let opened = opened.await.expect("opening neither blocks nor panics");
    (opened, arbiter)
}

/// Stops an arbiter and waits for its end. Everything that runs on it is dropped.
pub async fn stop(arbiter: Arbiter) {
    arbiter.stop();
    let join = tokio::task::spawn_blocking(move || arbiter.join());
    if !matches!(join.await, Ok(Ok(()))) {
        tracing::error!("a thread of the service has panicked");
    }
}
