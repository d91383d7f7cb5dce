//! Bodies that are being received stay within their common memory limit.

use tokio::io::AsyncWriteExt;

use crate::support::{
    World, client::fresh_key, market::cart_of, server::token_for, socket::connect, wait,
};

#[tokio::test]
async fn bodies_beyond_the_budget_hear_503_until_others_are_done_with() {
    let world = World::with_settings(&[("SPLITCART_HTTP_BODIES_MB_MAX", "1")]).await;
    let buyer = world.market.buyer().await;
    let client = world.client(&buyer);
    let cart = cart_of(&[(world.market.sold_product(500, 10).await, 1)]);
    let head = format!(
        "PUT /api/v1/cart HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\n\
         Content-Type: application/json\r\nIdempotency-Key: a\r\nContent-Length: 262144\r\n\r\n",
        token_for(&buyer)
    );
    let mut waiting = Vec::new();
    for _ in 0..4 {
        let mut stream = connect(&world.server).await;
        stream.write_all(head.as_bytes()).await.unwrap();
        stream.write_all(&vec![b' '; 262_140]).await.unwrap();
        waiting.push(stream);
    }
    wait::until("they are received", async || {
        world.server.metric("splitcart_http_bodies_bytes").await >= 4.0 * 262_140.0
    })
    .await;

    let refused = client.put_cart(&fresh_key(), &cart).await;

    assert_eq!(
        (refused.status, refused.code().as_str()),
        (503, "OVERLOADED"),
        "{}",
        refused.text()
    );
    assert!(!refused.header("retry-after").is_empty());
    assert_eq!(client.get_cart().await.status, 404, "others are served");
    drop(waiting);
    wait::until("there is room again", async || {
        client.put_cart(&fresh_key(), &cart).await.status == 200
    })
    .await;
    wait::until("nothing is left", async || {
        world.server.metric("splitcart_http_bodies_bytes").await == 0.0
    })
    .await;
}
