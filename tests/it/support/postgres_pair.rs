//! A primary and a standby that is told of every commit, with TLS and certificates of clients, on free ports
//! of this machine. Both end when the pair is dropped.

use std::{
    fs,
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use private_servers::PrivatePostgres;
use rcgen::{CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use sqlx::{ConnectOptions, Connection, PgPool, postgres::PgConnectOptions};
use tempfile::TempDir;

use super::{Database, pgbouncer, redis::signal, wait};

/// The database, which belongs to the role `splitcart`.
const DATABASE: &str = "shop";

/// Two servers of one database.
pub struct PostgresPair {
    pub primary: Node,
    pub standby: Node,
    directory: TempDir,
}

/// One of the two.
pub struct Node {
    port: u16,
    directory: PathBuf,
    process: Child,
}

impl PostgresPair {
    pub async fn start() -> Self {
        let directory = tempfile::Builder::new()
            .prefix("splitcart-pair-")
            .tempdir_in("/tmp")
            .unwrap();
        write_certificates(directory.path());
        // The programs of the PostgreSQL that all tests use.
        let found = PrivatePostgres::start().await.unwrap();
        let programs = found.programs().to_owned();
        found.stop().await.unwrap();

        let first = directory.path().join("first");
        let second = directory.path().join("second");
        let made = run(&programs.join("initdb"), directory.path())
            .args(["-D", first.to_str().unwrap(), "-U", "splitcart"])
            .args(["--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync"])
            .output()
            .unwrap();
        assert!(made.status.success(), "{made:?}");
        // Over TCP only with TLS and a certificate that names the role.
        let who = "local all all trust\nlocal replication all trust\n\
                   hostssl all all 127.0.0.1/32 cert\n";
        fs::write(first.join("pg_hba.conf"), who).unwrap();

        let primary = Node::start(&programs, directory.path(), first, "").await;
        let copied = run(&programs.join("pg_basebackup"), directory.path())
            .args(["-D", second.to_str().unwrap(), "-U", "splitcart"])
            .args(["-h", primary.directory.to_str().unwrap()])
            .args(["-p", &primary.port.to_string()])
            .args(["--checkpoint=fast", "--write-recovery-conf", "--no-sync"])
            .output()
            .unwrap();
        assert!(copied.status.success(), "{copied:?}");
        let standby = Node::start(&programs, directory.path(), second, "").await;
        primary
            .run("alter system set synchronous_standby_names = '*'")
            .await;
        primary.run("select pg_reload_conf()").await;
        primary.run("create database shop").await;
        // A commit waits until the standby has it on disk, and not until it can be seen there.
        wait::until("the standby has the database", async || {
            standby.options(DATABASE).connect().await.is_ok()
        })
        .await;
        Self {
            primary,
            standby,
            directory,
        }
    }

    /// The URL of some hosts, with files of certificates.
    pub fn url(&self, hosts: &[&str], authority: &str, client: Option<&str>) -> String {
        let file = |name: &str| self.directory.path().join(name).display().to_string();
        let hosts = hosts.join(",");
        let client = client.map_or_else(String::new, |client| {
            let certificate = file(&format!("{client}.crt"));
            let key = file(&format!("{client}.key"));
            format!("&sslcert={certificate}&sslkey={key}")
        });
        format!(
            "postgres://splitcart@{hosts}/{DATABASE}?sslmode=verify-full&sslrootcert={}{client}",
            file(&format!("{authority}.crt"))
        )
    }
}

impl Node {
    async fn start(programs: &Path, certificates: &Path, directory: PathBuf, more: &str) -> Self {
        let port = free_port();
        let of = |name: &str| certificates.join(name).display().to_string();
        let settings = [
            "listen_addresses=127.0.0.1".to_owned(),
            format!("port={port}"),
            format!("unix_socket_directories={}", directory.display()),
            "fsync=off".to_owned(),
            "shared_buffers=16MB".to_owned(),
            "ssl=on".to_owned(),
            format!("ssl_cert_file={}", of("server.crt")),
            format!("ssl_key_file={}", of("server.key")),
            format!("ssl_ca_file={}", of("authority.crt")),
        ];
        let mut command = run(&programs.join("postgres"), certificates);
        command.arg("-D").arg(&directory);
        for setting in settings {
            command.args(["-c", &setting]);
        }
        if !more.is_empty() {
            command.args(["-c", more]);
        }
        let process = command.spawn().unwrap();
        let node = Self {
            port,
            directory,
            process,
        };
        wait::until("PostgreSQL answers", async || {
            node.options("postgres").connect().await.is_ok()
        })
        .await;
        node
    }

    /// Its name in a URL.
    pub fn host(&self) -> String {
        format!("localhost:{}", self.port)
    }

    /// The same server by its address, which its certificate does not name.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    fn options(&self, database: &str) -> PgConnectOptions {
        PgConnectOptions::new_without_pgpass()
            .socket(&self.directory)
            .port(self.port)
            .username("splitcart")
            .database(database)
    }

    /// The database as its owner sees it on this server.
    pub async fn database(&self) -> Database {
        let options = self.options(DATABASE);
        Database {
            url: options.to_url_lossy().to_string(),
            pool: PgPool::connect_with(options).await.unwrap(),
        }
    }

    async fn run(&self, statement: &'static str) {
        let mut connection = self.options("postgres").connect().await.unwrap();
        sqlx::raw_sql(statement)
            .execute(&mut connection)
            .await
            .unwrap();
        connection.close().await.unwrap();
    }

    /// Ends the server without a word to anybody.
    pub async fn kill(&mut self) {
        signal(self.process.id(), "KILL");
        self.process.wait().unwrap();
        let options = self.options("postgres");
        wait::until("it is gone", async || options.connect().await.is_err()).await;
    }

    /// Makes a standby the primary.
    pub async fn promote(&self) {
        // A standby copies the setting, and would wait for a standby of its own.
        self.run("alter system reset synchronous_standby_names")
            .await;
        self.run("select pg_reload_conf()").await;
        self.run("select pg_promote()").await;
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

/// A command of the user who runs PostgreSQL; what is in the directory is that user's.
fn run(program: &Path, directory: &Path) -> Command {
    let mut command = pgbouncer::command(program, directory);
    command
        .current_dir("/")
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .env("LC_ALL", "C")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

/// Certificates of the server (`localhost`) and of a client (`splitcart`) by one authority, and an
/// authority that nobody has a certificate of.
fn write_certificates(directory: &Path) {
    let write = |name: &str, text: &str| fs::write(directory.join(name), text).unwrap();
    let authority = || {
        let mut parameters = CertificateParams::new(Vec::new()).unwrap();
        parameters.is_ca = IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        CertifiedIssuer::self_signed(parameters, KeyPair::generate().unwrap()).unwrap()
    };
    let ours = authority();
    write("authority.crt", &ours.pem());
    write("stranger.crt", &authority().pem());
    for (file, name) in [
        ("server", "localhost"),
        ("client", "splitcart"),
        ("other", "nobody"),
    ] {
        let key = KeyPair::generate().unwrap();
        let mut parameters = CertificateParams::new(vec![name.to_owned()]).unwrap();
        parameters.distinguished_name.push(DnType::CommonName, name);
        let certificate = parameters.signed_by(&key, &ours).unwrap();
        write(&format!("{file}.crt"), &certificate.pem());
        write(&format!("{file}.key"), &key.serialize_pem());
        // PostgreSQL refuses a key that others can read.
        let key = directory.join(format!("{file}.key"));
        let only_ours = std::os::unix::fs::PermissionsExt::from_mode(0o600);
        fs::set_permissions(key, only_ours).unwrap();
    }
}
