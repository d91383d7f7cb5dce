use std::net::SocketAddr;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
    task::JoinHandle,
};

use super::*;

/// A server that accepts so many connections and answers one request on each, then closes it.
async fn short_tempered(connections: u32, answer: &'static [u8]) -> (SocketAddr, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = tokio::spawn(async move {
        for _ in 0..connections {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = [0; 1024];
            assert!(stream.read(&mut request).await.unwrap() > 0);
            stream.write_all(answer).await.unwrap();
        }
    });
    (address, server)
}

/// The answer of a server that gives it once.
async fn exchange(answer: &'static [u8]) -> io::Result<Answer> {
    let (address, server) = short_tempered(1, answer).await;
    let mut connection = Connection::to(&Endpoint::plain(address));
    let answer = connection.exchange(&Request::get_cart("token")).await;
    server.await.unwrap();
    answer
}

#[tokio::test]
async fn a_connection_that_was_closed_while_it_rested_is_opened_again() {
    let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
    let (address, server) = short_tempered(3, answer).await;
    let mut connection = Connection::to(&Endpoint::plain(address));
    for _ in 0..3 {
        let request = Request::get_cart("token");
        let answer = connection.exchange(&request).await.unwrap();
        assert_eq!((answer.status, &answer.body[..]), (200, &b"ok"[..]));
    }
    server.await.unwrap();
}

#[tokio::test]
async fn half_an_answer_is_an_error_and_the_request_is_not_sent_again() {
    let whole = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
    let half = b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nok";
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut connection = Connection::to(&Endpoint::plain(listener.local_addr().unwrap()));
    let server = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut request = [0; 1024];
        for answer in [&whole[..], half] {
            assert!(stream.read(&mut request).await.unwrap() > 0);
            stream.write_all(answer).await.unwrap();
        }
    });
    let request = Request::get_cart("token");
    connection.exchange(&request).await.unwrap();
    let error = connection.exchange(&request).await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
    server.await.unwrap();
}

#[tokio::test]
async fn an_answer_that_never_begins_is_the_end_of_the_connection() {
    let error = exchange(b"").await.unwrap_err();
    // The kernel says either, depending on what it was doing with the request.
    assert!(matches!(
        error.kind(),
        io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset
    ));
}

#[tokio::test]
async fn a_port_where_nobody_listens_is_reported_as_the_system_does() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let mut connection = Connection::to(&Endpoint::plain(address));
    let error = connection.exchange(&Request::get_cart("token")).await;
    let error = error.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
    assert!(error.raw_os_error().is_some(), "{error}");
}

#[tokio::test]
async fn a_head_says_what_the_answer_is() {
    let answer = exchange(
        b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 12\r\nRetry-After: 2\r\n\r\n\
          {\"error\":{}}",
    );
    let answer = answer.await.unwrap();
    assert_eq!((answer.status, answer.replayed), (503, false));
    assert_eq!(answer.retry_after, Some(Duration::from_secs(2)));
    assert_eq!(&answer.body[..], b"{\"error\":{}}");
    assert!(!answer.closes);
}

#[tokio::test]
async fn an_answer_in_chunks_is_read_to_its_end() {
    let answer = exchange(
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n3\r\n ok\r\n0\r\n\r\n",
    );
    assert_eq!(&answer.await.unwrap().body[..], b"ok ok");
}

#[tokio::test]
async fn a_replay_is_seen_whatever_the_case_of_the_header() {
    let answer = exchange(
        b"HTTP/1.1 201 Created\r\nidempotency-replayed: true\r\ncontent-length: 0\r\n\
          connection: close\r\n\r\n",
    );
    let answer = answer.await.unwrap();
    assert!(answer.replayed && answer.closes);
}

#[tokio::test]
async fn an_incomplete_head_is_no_answer() {
    let error = exchange(b"HTTP/1.1 200 OK\r\nConte").await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
}

#[tokio::test]
async fn a_connection_may_come_from_an_address_of_its_own() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = Endpoint::plain(listener.local_addr().unwrap());
    let local = IpAddr::from([127, 0, 0, 7]);
    let connecting = endpoint.connect(Some(local));
    let (connected, accepted) = tokio::join!(connecting, listener.accept());
    connected.unwrap();
    assert_eq!(accepted.unwrap().1.ip(), local);
}
