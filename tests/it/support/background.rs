//! A runtime for the servers and proxies of tests. On the runtime of a test they would stand still while the
//! test itself computes, such as when its first answer is held against the contract, and the program under
//! test would find its connections silent.

use std::{
    future::{Future, pending},
    sync::LazyLock,
    thread,
};

use tokio::{
    net::TcpListener,
    runtime::{Builder, Handle},
    task::JoinHandle,
};

static RUNTIME: LazyLock<Handle> = LazyLock::new(|| {
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    let handle = runtime.handle().clone();
    thread::spawn(move || runtime.block_on(pending::<()>()));
    handle
});

/// Runs a future, and what it spawns, beside all tests.
pub fn spawn<T: Send + 'static>(future: impl Future<Output = T> + Send + 'static) -> JoinHandle<T> {
    RUNTIME.spawn(future)
}

/// Listens on a free port. Connections are accepted on the runtime of [`spawn`].
pub async fn listen() -> TcpListener {
    spawn(TcpListener::bind("127.0.0.1:0"))
        .await
        .unwrap()
        .unwrap()
}
