//! HTTP/1.1 clients that do not read their answers.

use tokio::io::AsyncWriteExt;

use crate::support::{
    World,
    socket::{connect, read_to_end},
    wait,
};

#[tokio::test]
async fn a_connection_whose_client_does_not_read_is_cut_off() {
    let world = World::with_settings(&[("SPLITCART_HTTP_ANSWER_MS_MAX", "1000")]).await;
    let mut stream = connect(&world.server).await;
    // More data than any socket's buffers hold.
    let request = "GET /docs/swagger-ui-bundle.js HTTP/1.1\r\nHost: x\r\n\r\n".repeat(15);
    stream.write_all(request.as_bytes()).await.unwrap();
    let unread = "splitcart_http_connections_cut_total{reason=\"unread\"}";
    wait::until("it is cut off", async || {
        world.server.metric(unread).await == 1.0
    })
    .await;
    wait::until("nothing is left of it", async || {
        world.server.metric("splitcart_http_connections ").await == 0.0
    })
    .await;
    let rest = read_to_end(&mut stream).await;
    assert!(rest.starts_with("HTTP/1.1 200"));
}
