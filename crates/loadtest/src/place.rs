//! Where the server is, and the database that it works with.

use std::net::SocketAddr;

use anyhow::{Context, bail};
use secrecy::SecretString;
use tokio::net::{TcpStream, lookup_host};

use splitcart::config::{Config, Services};

use super::options::LoadtestArgs;

/// See the module.
#[derive(Clone, Debug)]
pub struct Place {
    /// The server's database.
    pub database: SecretString,
    /// The host in the heads of requests.
    pub host: String,
    /// The public listener.
    pub http: SocketAddr,
    /// The private listener.
    pub ops: SocketAddr,
}

impl Place {
    /// A server that runs already, with the database that is configured for it.
    ///
    /// # Errors
    /// There is no such setting, or the URL leads nowhere.
    pub async fn running(args: &LoadtestArgs, config: &Config) -> anyhow::Result<Self> {
        let Services::External { database_url, .. } = config.services() else {
            bail!(
                "the test prepares carts in the server's database, and none is configured: set \
                 SPLITCART_DATABASE_URL as it is for the server, or let --private start everything"
            );
        };
        let url = args
            .place
            .url
            .clone()
            .unwrap_or_else(|| format!("http://{}", config.http.addr));
        let (host, http) = resolve(&url).await?;
        Ok(Self {
            database: database_url,
            host,
            http,
            ops: config.ops.addr,
        })
    }

    /// Looks whether anybody listens.
    ///
    /// # Errors
    /// Nobody does.
    pub async fn check(&self) -> anyhow::Result<()> {
        TcpStream::connect(self.http).await.with_context(|| {
            let address = self.http;
            format!("no server listens on {address}: start one, or let --private do it")
        })?;
        Ok(())
    }
}

/// The host for the heads of requests, and where to connect.
async fn resolve(url: &str) -> anyhow::Result<(String, SocketAddr)> {
    let host = url
        .strip_prefix("http://")
        .map(|rest| rest.trim_end_matches('/'))
        .filter(|host| !host.is_empty() && !host.contains('/'))
        .with_context(|| format!("--url {url} is not such as http://127.0.0.1:8080"))?;
    let with_port = match host.rsplit_once(':') {
        Some((_, port)) if port.parse::<u16>().is_ok() => host.to_owned(),
        _ => format!("{host}:80"),
    };
    let address = lookup_host(&with_port)
        .await
        .with_context(|| format!("can't find {host}"))?
        .next()
        .with_context(|| format!("{host} has no address"))?;
    Ok((host.to_owned(), address))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_url_is_a_host_with_or_without_a_port() {
        let (host, address) = resolve("http://127.0.0.1:8080/").await.unwrap();
        assert_eq!((host.as_str(), address.port()), ("127.0.0.1:8080", 8080));
        assert_eq!(resolve("http://127.0.0.1").await.unwrap().1.port(), 80);
        assert_eq!(resolve("http://[::1]:81").await.unwrap().1.port(), 81);
        for wrong in ["127.0.0.1:80", "https://a", "http://", "http://a/api"] {
            let complaint = resolve(wrong).await.unwrap_err().to_string();
            assert!(complaint.contains(wrong), "{complaint}");
        }
    }
}
