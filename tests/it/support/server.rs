//! The program under test, as a process of its own.

use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Arc, Mutex, mpsc},
    time::{Duration, Instant},
};

use catalogue::seed;
use splitcart::{cli::token, config::Config, redis_client::TlsFiles};

use super::{Buyer, Client, authority::Authority, pgbouncer, redis::signal, wait};

/// The secret of the tests' tokens.
pub const SECRET: &str = "a-secret-that-only-the-tests-know-0123456789";

/// The time that a server may take to stop, including its own PostgreSQL and Redis.
const STOP_MAX: Duration = Duration::from_secs(15);

/// A server process. Killed when dropped, or stopped if it has servers of its own.
pub struct Server {
    process: Child,
    pub http: String,
    pub ops: String,
    log: Arc<Mutex<Vec<String>>>,
    /// True if a kill would leave its PostgreSQL and Redis running.
    has_its_own_servers: bool,
}

impl Server {
    /// Starts a server in front of a PostgreSQL and a Redis that run already.
    pub async fn start(database_url: &str, redis_url: &str, settings: &[(&str, &str)]) -> Self {
        let (database_url, pooling) = pgbouncer::in_front_of(database_url).await;
        let mut command = serve();
        use_redis(&mut command, redis_url);
        command
            .env("SPLITCART_DATABASE_URL", database_url)
            .envs(pooling)
            .envs(settings.iter().copied());
        Self::launch(command).await
    }

    /// Starts a server with settings that only a file can hold.
    pub async fn start_with_file(
        database_url: &str,
        redis_url: &str,
        file: &Path,
        settings: &[(&str, &str)],
    ) -> Self {
        let mut command = serve();
        use_redis(&mut command, redis_url);
        command
            .arg("--config")
            .arg(file)
            .env("SPLITCART_DATABASE_URL", database_url)
            .envs(settings.iter().copied());
        Self::launch(command).await
    }

    /// Starts a server with a PostgreSQL and a Redis of its own in a directory.
    pub async fn start_embedded(data_dir: &Path) -> Self {
        Self::start_embedded_with(data_dir, &[]).await
    }

    /// Like [`Server::start_embedded`], with some settings changed.
    pub async fn start_embedded_with(data_dir: &Path, settings: &[(&str, &str)]) -> Self {
        let mut command = serve();
        command
            .arg("--data-dir")
            .arg(data_dir)
            .envs(settings.iter().copied());
        let mut server = Self::launch(command).await;
        server.has_its_own_servers = true;
        server
    }

    /// Starts the server of this command.
    pub async fn launch(mut command: Command) -> Self {
        let mut process = command.stderr(Stdio::piped()).spawn().unwrap();
        let log = Arc::new(Mutex::new(Vec::new()));
        let (found, addresses) = mpsc::channel();
        let stderr = BufReader::new(process.stderr.take().unwrap());
        let lines = Arc::clone(&log);
        std::thread::spawn(move || {
            for line in stderr.lines().map_while(Result::ok) {
                let listening = addresses_in(&line);
                lines.lock().unwrap().push(line);
                // The line is in the log before the test goes on.
                if let Some(pair) = listening {
                    drop(found.send(pair));
                }
            }
        });
        let addresses =
            tokio::task::spawn_blocking(move || addresses.recv_timeout(Duration::from_mins(1)));
        let Ok((http, ops)) = addresses.await.unwrap() else {
            let log = log.lock().unwrap().join("\n");
            panic!("the server did not start:\n{log}");
        };
        Self {
            process,
            http,
            ops,
            log,
            has_its_own_servers: false,
        }
    }

    /// A client that acts for a buyer.
    pub fn client(&self, buyer: &Buyer) -> Client {
        Client::new(&self.http, Some(token_for(buyer)))
    }

    /// A client without a token.
    pub fn stranger(&self) -> Client {
        Client::new(&self.http, None)
    }

    /// One of the private listener's pages.
    pub async fn operations(&self, path: &str) -> (u16, String) {
        let request = reqwest::Client::new()
            .get(format!("{}{path}", self.ops))
            .header("Accept", "application/openmetrics-text");
        let reply = request.send().await.unwrap();
        (reply.status().as_u16(), reply.text().await.unwrap())
    }

    /// A metric's value: the sum of its lines, 0 if there is none.
    pub async fn metric(&self, start: &str) -> f64 {
        let (_, text) = self.operations("/metrics").await;
        let lines = text.lines().filter(|line| line.starts_with(start));
        lines
            .map(|line| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap())
            .sum()
    }

    /// The log so far.
    pub fn log(&self) -> Vec<String> {
        self.log.lock().unwrap().clone()
    }

    /// Waits until a line of the log contains the text: a separate thread of the server writes the log,
    /// so a line may appear after the answer that it describes.
    pub async fn until_logged(&self, text: &str) {
        wait::until(&format!("{text:?} is in the log"), async || {
            self.log().iter().any(|line| line.contains(text))
        })
        .await;
    }

    /// `kill -9`.
    pub fn kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    /// Stops the process, without ending it, until [`Server::thaw`].
    pub fn freeze(&self) {
        signal(self.process.id(), "STOP");
    }

    /// Continues the process after [`Server::freeze`].
    pub fn thaw(&self) {
        signal(self.process.id(), "CONT");
    }

    /// The process id.
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// SIGTERM.
    pub fn terminate(&self) {
        signal(self.process.id(), "TERM");
    }

    /// Waits until the process has ended by itself.
    pub async fn ended(&mut self) -> ExitStatus {
        let mut status = None;
        wait::until("the server has ended", async || {
            status = self.process.try_wait().unwrap();
            status.is_some()
        })
        .await;
        status.unwrap()
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "what is dropped can't wait otherwise, and the test is over"
    )]
    fn stop_with_its_servers(&mut self) {
        self.terminate();
        let give_up = Instant::now() + STOP_MAX;
        while Instant::now() < give_up && matches!(self.process.try_wait(), Ok(None)) {
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if self.has_its_own_servers && matches!(self.process.try_wait(), Ok(None)) {
            self.stop_with_its_servers();
        }
        drop(self.process.kill());
        drop(self.process.wait());
        if std::thread::panicking() {
            eprintln!("--- the server's log ---\n{}", self.log().join("\n"));
        }
    }
}

/// The program to test instead of cargo's own, such as that of a release; its tools are beside it.
const PROGRAM: &str = "TEST_PROGRAM";

/// A command of the program, without the developer's own environment.
pub fn splitcart(subcommand: &str) -> Command {
    let program = std::env::var_os(PROGRAM);
    let mut command =
        Command::new(program.unwrap_or_else(|| env!("CARGO_BIN_EXE_splitcart").into()));
    let is_setting = |name: &str| name.starts_with("SPLITCART_") || name.starts_with("OTEL_");
    for (name, _) in std::env::vars().filter(|(name, _)| is_setting(name)) {
        command.env_remove(name);
    }
    command.arg(subcommand);
    command
}

/// `splitcart serve` on free ports, with the tests' settings.
pub fn serve() -> Command {
    let mut command = splitcart("serve");
    command
        .env("SPLITCART_HTTP_ADDR", "127.0.0.1:0")
        .env("SPLITCART_OPS_ADDR", "127.0.0.1:0")
        .env("SPLITCART_AUTH_HS256_SECRET", SECRET)
        .env("SPLITCART_LOG_FORMAT", "json")
        // In a development build a backtrace holds the actors' thread up for longer than a batch may take.
        .env("RUST_BACKTRACE", "0")
        // A test sends requests as fast as it can; the tests of the limits turn them on.
        .env("SPLITCART_RATE_LIMIT", "off")
        // No balancer needs time to notice; the tests of the delay set it.
        .env("SPLITCART_HTTP_DRAIN_DELAY_S", "0")
        .stdin(Stdio::null());
    command
}

/// Sets the URL of Redis, and the authority of a run over TLS.
pub fn use_redis(command: &mut Command, url: &str) {
    command.env("SPLITCART_REDIS_URL", url);
    let TlsFiles { ca, .. } = redis_tls(url);
    if !ca.as_os_str().is_empty() {
        command.env("SPLITCART_REDIS_TLS_CA_FILE", ca);
    }
}

/// The files that a client of this Redis needs.
pub fn redis_tls(url: &str) -> TlsFiles {
    let mut files = TlsFiles::default();
    if url.starts_with("rediss://") {
        files.ca = Authority::of_run().file("ca.pem");
    }
    files
}

/// The message of `serve` when it ends instead of starting, for settings so wrong that it connects to
/// no database.
pub fn refusal_to_start(settings: &[(&str, &str)]) -> String {
    let mut command = serve();
    command
        .env("SPLITCART_DATABASE_URL", "postgres://nowhere.invalid/none")
        .env("SPLITCART_REDIS_URL", "redis://nowhere.invalid")
        .envs(settings.iter().copied());
    let output = command.output().unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success(), "{told}");
    told
}

pub fn addresses_in(line: &str) -> Option<(String, String)> {
    let event: serde_json::Value = serde_json::from_str(line).ok()?;
    let address = |name: &str| event[name].as_str().map(|addr| format!("http://{addr}"));
    address("http.addr").zip(address("ops.addr"))
}

/// A good token.
pub fn token_for(buyer: &Buyer) -> String {
    let secret = [("SPLITCART_AUTH_HS256_SECRET".to_owned(), SECRET.to_owned())];
    let config = Config::load(None, secret).unwrap();
    token::issue(
        &config,
        buyer.user_id,
        buyer.store_id,
        Duration::from_mins(10),
    )
    .unwrap()
}

/// A good token of the owner of a seeded buyer.
pub fn token_of(seeded_buyer: u32) -> String {
    token_for(&Buyer {
        user_id: seed::buyer_user_id(1, seeded_buyer),
        store_id: seed::buyer_store_id(1, seeded_buyer),
    })
}
