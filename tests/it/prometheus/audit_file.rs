//! The file that an audit writes, served as a collector of files serves it.

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

use crate::support::{Database, server::splitcart};

/// A listener that answers every request with the file. Ends when dropped.
pub struct AuditFile {
    pub url: String,
    pub text: String,
    serving: JoinHandle<()>,
}

impl AuditFile {
    /// Audits a database.
    pub async fn of(database: &Database) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("splitcart_audit.prom");
        let output = splitcart("audit")
            .env("SPLITCART_DATABASE_URL", &database.url)
            .env("SPLITCART_REDIS_URL", "redis://127.0.0.1:1")
            .arg("--metrics")
            .arg(&file)
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        let text = std::fs::read_to_string(&file).unwrap();
        let names: Vec<_> = std::fs::read_dir(dir.path()).unwrap().collect();
        assert_eq!(names.len(), 1, "nothing else is left there");
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let serving = tokio::spawn(serve(listener, text.clone()));
        Self { url, text, serving }
    }
}

impl Drop for AuditFile {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn serve(listener: TcpListener, text: String) {
    while let Ok((connection, _)) = listener.accept().await {
        drop(answer(connection, &text).await);
    }
}

async fn answer(mut connection: TcpStream, text: &str) -> std::io::Result<()> {
    let mut request = [0; 4096];
    let _read = connection.read(&mut request).await?;
    let answer = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4\r\nContent-Length: {}\r\n\
         Connection: close\r\n\r\n{text}",
        text.len()
    );
    connection.write_all(answer.as_bytes()).await
}
