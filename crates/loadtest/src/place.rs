//! The server under test: its listeners and its database.

use std::net::SocketAddr;

use anyhow::{Context, bail};
use secrecy::SecretString;
use tokio::net::TcpStream;

use splitcart::config::{Config, Protocol, Services};

use super::{endpoint::Endpoint, options::LoadtestArgs};

/// See the module.
#[derive(Clone, Debug)]
pub struct Place {
    /// The server's database.
    pub database: SecretString,
    /// The public listener.
    pub http: Endpoint,
    /// The private listener.
    pub ops: SocketAddr,
}

impl Place {
    /// A server that is already running, with the database that is configured for it.
    ///
    /// # Errors
    /// There is no such setting, or the URL has no address.
    pub async fn running(args: &LoadtestArgs, config: &Config) -> anyhow::Result<Self> {
        let Services::External { database_url, .. } = config.services() else {
            bail!(
                "the test prepares carts in the server's database, and none is configured: set \
                 SPLITCART_DATABASE_URL as it is for the server, or let --private start everything"
            );
        };
        let url = args.place.url.clone().unwrap_or_else(|| {
            let scheme = match config.http.protocol() {
                Protocol::Tls { .. } => "https",
                Protocol::Plain | Protocol::PlainOrH2c => "http",
            };
            format!("{scheme}://{}", config.http.addr)
        });
        let http = Endpoint::resolve(&url, args.place.ca.as_deref()).await?;
        Ok(Self {
            database: database_url,
            http,
            ops: config.ops.addr,
        })
    }

    /// Connects, so that a server that is not there is reported before anything is prepared.
    ///
    /// # Errors
    /// There is no server, or its certificate is not trusted.
    pub async fn check(&self) -> anyhow::Result<()> {
        let address = self.http.address();
        TcpStream::connect(address).await.with_context(|| {
            format!("no server listens on {address}: start one, or let --private do it")
        })?;
        self.http.connect(None).await.with_context(|| {
            format!("{address} can't be spoken to by TLS (--ca names the certificates to trust)")
        })?;
        Ok(())
    }
}
