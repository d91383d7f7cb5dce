//! A client that sends arbitrary data: bytes on a socket, and frames of HTTP/2.

use std::time::Duration;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use super::Server;

/// The time that the server may take to close, on a busy machine.
const CLOSE_MAX: Duration = Duration::from_secs(30);

/// A connection to the public listener.
pub async fn connect(server: &Server) -> TcpStream {
    let addr = server.http.strip_prefix("http://").unwrap();
    TcpStream::connect(addr).await.unwrap()
}

/// Reads until the server closes or resets the connection.
pub async fn read_to_end(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    let read = timeout(CLOSE_MAX, stream.read_to_end(&mut bytes)).await;
    drop(read.expect("the server closes the connection"));
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Sends these bytes on a connection of their own, and reads the whole answer.
pub async fn exchange(server: &Server, request: &[u8]) -> String {
    let mut stream = connect(server).await;
    // A server that refuses early may not read all of the request.
    drop(stream.write_all(request).await);
    read_to_end(&mut stream).await
}

/// Reads one answer of a connection that may stay open.
pub async fn answer(stream: &mut TcpStream) -> String {
    let mut text = String::new();
    loop {
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head
                .lines()
                .find_map(|line| line.strip_prefix("content-length: "));
            if body.len() >= length.unwrap().parse::<usize>().unwrap() {
                return text;
            }
        }
        let mut bytes = [0; 4096];
        let read = timeout(CLOSE_MAX, stream.read(&mut bytes)).await;
        let length = read.expect("there is an answer").unwrap();
        assert_ne!(length, 0, "closed after {text:?}");
        text.push_str(std::str::from_utf8(&bytes[..length]).unwrap());
    }
}

/// A frame of HTTP/2.
pub fn frame(kind: u8, flags: u8, stream: u32, content: &[u8]) -> Vec<u8> {
    let length = u32::try_from(content.len()).unwrap().to_be_bytes();
    let mut frame = length[1..].to_vec();
    frame.extend([kind, flags]);
    frame.extend(stream.to_be_bytes());
    frame.extend(content);
    frame
}

/// The first bytes of an HTTP/2 connection whose client accepts `window` bytes of each answer.
pub fn http2_preface(window: u32) -> Vec<u8> {
    let mut settings = vec![0, 4];
    settings.extend(window.to_be_bytes());
    [
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(),
        frame(4, 0, 0, &settings),
        frame(4, 1, 0, &[]),
    ]
    .concat()
}

/// `GET` of a path, as a request head of HTTP/2 (RFC 7541, by its static table).
pub fn http2_get(path: &str) -> Vec<u8> {
    let mut head = vec![0x82, 0x86, 0x41, 1, b'x', 4];
    head.push(u8::try_from(path.len()).unwrap());
    head.extend(path.as_bytes());
    head
}

/// The resident memory of a process, in MB.
pub fn memory_mb(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:"));
    let kilobytes = line.unwrap().split_whitespace().nth(1).unwrap();
    kilobytes.parse::<u64>().unwrap() / 1024
}
