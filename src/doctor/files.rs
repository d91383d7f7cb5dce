//! Looks at the files of keys and of the certificate, in a thread of its own: a file system may hang.

use tokio::{sync::oneshot, time::timeout};

use crate::{
    config::{Config, Protocol, TokenKeys},
    http::{tls, token::key_set::KeySet},
};

use super::{Subject, configuration::apart, report::Line};

const TOKEN_KEYS: &str = "files.token_keys";
const CERTIFICATE: &str = "files.certificate";

pub(super) async fn look(subject: &Subject) -> Vec<Line> {
    let (done, reading) = oneshot::channel();
    let config = subject.config.clone();
    let is_private = subject.data_dir.is_some();
    std::thread::spawn(move || {
        drop(done.send(vec![token_keys(&config, is_private), certificate(&config)]));
    });
    if let Ok(Ok(lines)) = timeout(subject.limit, reading).await {
        return lines;
    }
    let hangs = "the file system of a key or certificate does not answer";
    let remedy = "look at its mount (`df`), or move the files to a local disk";
    [TOKEN_KEYS, CERTIFICATE]
        .map(|id| Line::not_well(id, hangs, remedy))
        .to_vec()
}

fn token_keys(config: &Config, is_private: bool) -> Line {
    if !config.auth.has_keys() {
        return if is_private {
            Line::well(TOKEN_KEYS, "the secret of the data directory is used")
        } else {
            Line::not_seen(TOKEN_KEYS, "no key is configured")
        };
    }
    match KeySet::open(&config.auth) {
        Ok(_) => Line::well(
            TOKEN_KEYS,
            match config.auth.token_keys() {
                TokenKeys::Secret(_) => "tokens are checked with a secret (HS256)".to_owned(),
                TokenKeys::PublicKeyFile(path) | TokenKeys::JwksFile(path) => {
                    format!("the keys in {} can be used", path.display())
                }
            },
        ),
        Err(error) => Line::not_well(
            TOKEN_KEYS,
            error.to_string(),
            "let the service's user read the file, and put keys of docs/identity.md in it",
        ),
    }
}

fn certificate(config: &Config) -> Line {
    let Protocol::Tls {
        cert_file,
        key_file,
    } = config.http.protocol()
    else {
        return Line::well(CERTIFICATE, "no TLS is configured");
    };
    match tls::look(cert_file, key_file) {
        Err(error) => Line::not_well(
            CERTIFICATE,
            error.to_string(),
            "put a certificate with its chain, and its own key, as PEM in the two files",
        ),
        Ok(tls::Validity {
            warning: Some(warning),
            ..
        }) => {
            let (found, remedy) = apart(&warning);
            Line::not_well(CERTIFICATE, found, remedy)
        }
        Ok(tls::Validity { end, .. }) => {
            let end = end.map_or_else(String::new, |end| format!(", until {end}"));
            Line::well(
                CERTIFICATE,
                format!("{} can be used{end}", cert_file.display()),
            )
        }
    }
}
