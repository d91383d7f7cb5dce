//! The Redis that a setting names, and the files and logins for it.

use std::{
    fmt, fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use redis::{
    Client, ClientTlsConfig, ConnectionAddr, ConnectionInfo, IntoConnectionInfo, RedisResult,
    TlsCertificates,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use secrecy::{ExposeSecret, SecretString};

use crate::config::{MalformedUrl, RedisServers};

use super::tcp;

/// The files of TLS; an empty path is not set.
#[derive(Clone, Debug, Default)]
pub struct TlsFiles {
    /// The authorities that are trusted instead of those of the system.
    pub ca: PathBuf,
    /// The client certificate, with its key.
    pub cert: PathBuf,
    pub key: PathBuf,
}

/// The login at Sentinels; without a password there is none.
#[derive(Clone, Debug, Default)]
pub struct SentinelLogin {
    pub user: String,
    pub password: SecretString,
}

/// A Redis that connections can be made to. Clones share it.
#[derive(Clone)]
pub struct Target(Arc<Parts>);

struct Parts {
    servers: RedisServers,
    tls: TlsFiles,
    sentinel: SentinelLogin,
    /// The hosts of the URL, for people.
    place: String,
    db: i64,
}

/// The reason for which no connection could ever be made.
#[derive(Debug, thiserror::Error)]
pub enum InvalidTarget {
    #[error(transparent)]
    Url(#[from] MalformedUrl),
    #[error(transparent)]
    Redis(#[from] redis::RedisError),
    #[error("{} {problem}", file.display())]
    File { file: PathBuf, problem: String },
}

impl Target {
    /// Reads the URL and the files once, so that mistakes in them show at the start.
    ///
    /// # Errors
    /// One of them can't be used.
    pub fn new(
        url: &SecretString,
        tls: TlsFiles,
        sentinel: SentinelLogin,
    ) -> Result<Self, InvalidTarget> {
        let servers = RedisServers::of(url)?;
        if servers.have_tls() {
            check_files(&tls)?;
        }
        let infos = infos_of(urls_of(&servers))?;
        let hosts: Vec<_> = infos.iter().map(|info| info.addr().to_string()).collect();
        let hosts = hosts.join(",");
        let place = match &servers {
            RedisServers::One(_) => hosts,
            RedisServers::Sentinels { service, .. } => {
                format!("{hosts} (Sentinels of {service})")
            }
            RedisServers::Cluster(_) => format!("{hosts} (a cluster)"),
        };
        Ok(Self(Arc::new(Parts {
            db: infos.first().map_or(0, |info| info.redis_settings().db()),
            servers,
            tls,
            sentinel,
            place,
        })))
    }

    /// The hosts and ports of the URL, for log lines.
    pub fn place(&self) -> &str {
        &self.0.place
    }

    /// True if this is a clone of the other one.
    pub fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    pub fn is_cluster(&self) -> bool {
        matches!(self.0.servers, RedisServers::Cluster(_))
    }

    pub(super) fn servers(&self) -> &RedisServers {
        &self.0.servers
    }

    pub(super) fn sentinel(&self) -> &SentinelLogin {
        &self.0.sentinel
    }

    pub(super) fn db(&self) -> i64 {
        self.0.db
    }

    /// The hosts of the URL, with user, password and database.
    pub(super) fn infos(&self) -> RedisResult<Vec<ConnectionInfo>> {
        infos_of(urls_of(&self.0.servers))
    }

    /// A client of one server. The files are read now.
    pub(super) fn client(&self, info: ConnectionInfo) -> RedisResult<Client> {
        match self.certificates()? {
            Some(certificates) => Client::build_with_tls(info, certificates),
            None => Client::open(info),
        }
    }

    /// The content of the files, if there are any and the connections are encrypted.
    pub(super) fn certificates(&self) -> RedisResult<Option<TlsCertificates>> {
        let TlsFiles { ca, cert, key } = &self.0.tls;
        let is_set = |path: &Path| !path.as_os_str().is_empty();
        if !self.0.servers.have_tls() || !(is_set(ca) || is_set(cert)) {
            return Ok(None);
        }
        let read = |path: &PathBuf| is_set(path).then(|| fs::read(path)).transpose();
        let client_tls = match (read(cert)?, read(key)?) {
            (Some(client_cert), Some(client_key)) => Some(ClientTlsConfig {
                client_cert,
                client_key,
            }),
            _ => None,
        };
        Ok(Some(TlsCertificates {
            client_tls,
            root_cert: read(ca)?,
        }))
    }
}

/// The address of another server of the same Redis.
pub(super) fn address_like(known: &ConnectionAddr, host: String, port: u16) -> ConnectionAddr {
    match known {
        ConnectionAddr::TcpTls { .. } => ConnectionAddr::TcpTls {
            host,
            port,
            insecure: false,
            tls_params: None,
        },
        _ => ConnectionAddr::Tcp(host, port),
    }
}

fn urls_of(servers: &RedisServers) -> &[SecretString] {
    match servers {
        RedisServers::One(url) => std::slice::from_ref(url),
        RedisServers::Sentinels { urls, .. } | RedisServers::Cluster(urls) => urls,
    }
}

fn infos_of(urls: &[SecretString]) -> RedisResult<Vec<ConnectionInfo>> {
    let infos = urls.iter().map(|url| {
        let info = url.expose_secret().into_connection_info()?;
        Ok(info.set_tcp_settings(tcp::settings()))
    });
    infos.collect()
}

fn check_files(files: &TlsFiles) -> Result<(), InvalidTarget> {
    for file in [&files.ca, &files.cert] {
        check_file(file, |text| {
            let mut certificates = CertificateDer::pem_slice_iter(text);
            certificates.next().is_some_and(|first| first.is_ok())
        })
        .map_err(|problem| problem.about(file, "holds no certificate in PEM"))?;
    }
    check_file(&files.key, |text| {
        PrivateKeyDer::from_pem_slice(text).is_ok()
    })
    .map_err(|problem| problem.about(&files.key, "holds no private key in PEM"))
}

enum FileProblem {
    Unreadable(io::Error),
    OfAnotherKind,
}

impl FileProblem {
    fn about(self, file: &Path, of_another_kind: &str) -> InvalidTarget {
        InvalidTarget::File {
            file: file.to_owned(),
            problem: match self {
                Self::Unreadable(error) => format!("can't be read: {error}"),
                Self::OfAnotherKind => of_another_kind.to_owned(),
            },
        }
    }
}

fn check_file(file: &Path, is_fine: impl FnOnce(&[u8]) -> bool) -> Result<(), FileProblem> {
    if file.as_os_str().is_empty() {
        return Ok(());
    }
    let text = fs::read(file).map_err(FileProblem::Unreadable)?;
    if is_fine(&text) {
        Ok(())
    } else {
        Err(FileProblem::OfAnotherKind)
    }
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Target")
            .field("place", &self.0.place)
            .finish_non_exhaustive()
    }
}
