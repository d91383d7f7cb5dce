//! Clients that hang up while their key is being claimed.

use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::{io::AsyncWriteExt, net::TcpSocket};

use crate::support::{
    Buyer, Server, World, client::fresh_key, crowd::is_in_progress, market::cart_of,
    server::token_for, wait,
};

/// The number of clients that hang up.
const HANG_UPS: u64 = 300;
/// A claim's lease, less the time that everything else may take.
const WELL_WITHIN_THE_LEASE: Duration = Duration::from_secs(8);

/// A key belongs to the request, not to the connection: no retry gets "in progress" when no request is
/// in progress.
#[tokio::test]
async fn a_client_that_hangs_up_at_any_moment_leaves_no_key_in_progress() {
    let world = World::start().await;
    let buyer = world.market.buyer().await;
    let client = world.client(&buyer);
    let cart = cart_of(&[(world.market.sold_product(500, 10).await, 1)]);
    // All connections are open, and all statements are prepared.
    client.freeze(&cart).await;

    let mut keys = Vec::new();
    for nr in 0..HANG_UPS {
        let key = fresh_key();
        let patience = Duration::from_micros(nr % 15 * 100);
        hang_up(&world.server, &buyer, &key, &cart, patience).await;
        keys.push(key);
    }
    let started = Instant::now();
    let mut replays = 0;
    for key in &keys {
        wait::until("the key's request has ended", async || {
            let reply = client.put_cart(key, &cart).await;
            replays += u64::from(reply.is_replay());
            assert!(is_in_progress(&reply) || reply.status == 200, "{reply:?}");
            reply.status == 200
        })
        .await;
    }

    assert!(started.elapsed() < WELL_WITHIN_THE_LEASE, "{started:?}");
    assert!(replays > 0, "none came so far that its cart was frozen");
}

/// Sends a PUT, waits a moment, and resets the connection.
async fn hang_up(server: &Server, buyer: &Buyer, key: &str, cart: &Value, patience: Duration) {
    let socket = TcpSocket::new_v4().unwrap();
    // With a linger of zero, closing the socket resets the connection.
    socket.set_zero_linger().unwrap();
    let address = server.http.strip_prefix("http://").unwrap();
    let mut stream = socket.connect(address.parse().unwrap()).await.unwrap();
    let body = cart.to_string();
    let head = format!(
        "PUT /api/v1/cart HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {}\r\n\
         Idempotency-Key: {key}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        token_for(buyer),
        body.len(),
    );
    stream.write_all((head + &body).as_bytes()).await.unwrap();
    let until = Instant::now() + patience;
    // A timer is too coarse for a tenth of a millisecond.
    while Instant::now() < until {
        std::hint::spin_loop();
    }
}
