//! A proxy between the program and PostgreSQL that decides about logins: a pooler that refuses a parameter,
//! or a server that has no connection left. Open connections are left alone.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicUsize, Ordering},
};

use sqlx::{
    ConnectOptions,
    postgres::{PgConnectOptions, PgSslMode},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional},
    net::{TcpStream, UnixStream},
    task::JoinHandle,
};

use super::background;

/// The treatment of a login.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Logins {
    /// The login is forwarded unchanged.
    Pass,
    /// A login with `options` is refused, as `PgBouncer` does.
    RefuseOptions,
    /// Every login is refused as if it had `options`.
    Refuse,
    /// Every login is refused.
    Full,
}

/// A proxy that ends all its connections when it is dropped.
pub struct Pooler {
    port: u16,
    options: PgConnectOptions,
    shared: Arc<Shared>,
    accepting: JoinHandle<()>,
}

struct Shared {
    socket: String,
    logins: Mutex<Logins>,
    refused: AtomicUsize,
}

impl Pooler {
    /// Starts a proxy in front of a PostgreSQL that listens on a Unix socket.
    pub async fn before(url: &str, logins: Logins) -> Self {
        let options: PgConnectOptions = url.parse().unwrap();
        let directory = options.get_socket().expect("a Unix socket").display();
        let shared = Arc::new(Shared {
            socket: format!("{directory}/.s.PGSQL.{}", options.get_port()),
            logins: Mutex::new(logins),
            refused: AtomicUsize::new(0),
        });
        let listener = background::listen().await;
        let port = listener.local_addr().unwrap().port();
        let all = Arc::clone(&shared);
        let accepting = background::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let shared = Arc::clone(&all);
                // When either side hangs up, both connections end.
                tokio::spawn(async move { drop(serve(client, &shared).await) });
            }
        });
        Self {
            port,
            options,
            shared,
            accepting,
        }
    }

    /// The URL for the program, in place of the server's own.
    pub fn url(&self) -> String {
        let tcp = PgConnectOptions::new_without_pgpass()
            .host("127.0.0.1")
            .port(self.port)
            .username(self.options.get_username())
            .database(self.options.get_database().expect("a database is named"))
            .ssl_mode(PgSslMode::Disable);
        tcp.to_url_lossy().to_string()
    }

    /// Changes the treatment of logins from now on.
    pub fn treat(&self, logins: Logins) {
        *self.shared.logins.lock().unwrap() = logins;
    }

    /// The number of refused logins.
    pub fn refused(&self) -> usize {
        self.shared.refused.load(Ordering::SeqCst)
    }
}

impl Drop for Pooler {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn serve(mut client: TcpStream, shared: &Shared) -> std::io::Result<()> {
    client.set_nodelay(true)?;
    let length = client.read_u32().await?;
    let mut startup = vec![0; length as usize - 4];
    client.read_exact(&mut startup).await?;
    let logins = *shared.logins.lock().unwrap();
    let has_options = parameters(&startup).any(|(name, _)| name == b"options");
    let refused_parameter = ("08P01", "unsupported startup parameter: options");
    let refusal = match logins {
        Logins::RefuseOptions if has_options => Some(refused_parameter),
        Logins::Refuse => Some(refused_parameter),
        Logins::Full => Some(("53300", "sorry, too many clients already")),
        Logins::Pass | Logins::RefuseOptions => None,
    };
    if let Some((code, message)) = refusal {
        shared.refused.fetch_add(1, Ordering::SeqCst);
        let fields = format!("SFATAL\0VFATAL\0C{code}\0M{message}\0\0");
        client.write_u8(b'E').await?;
        client
            .write_u32(u32::try_from(fields.len()).unwrap() + 4)
            .await?;
        return client.write_all(fields.as_bytes()).await;
    }
    let mut server = UnixStream::connect(&shared.socket).await?;
    server
        .write_u32(u32::try_from(startup.len()).unwrap() + 4)
        .await?;
    server.write_all(&startup).await?;
    copy_bidirectional(&mut client, &mut server).await?;
    Ok(())
}

/// Names and values, after the version.
fn parameters(startup: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    let mut parts = startup[4..].split(|byte| *byte == 0);
    std::iter::from_fn(move || {
        let name = parts.next().filter(|name| !name.is_empty())?;
        Some((name, parts.next()?))
    })
}
