//! One connection to NATS, used until it fails. It is never mended: a message that was given up must not
//! be sent later.

use std::{
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use async_nats::{
    Client, ConnectErrorKind, ConnectOptions, Event as ClientEvent, ServerError,
    connection::State,
    jetstream::{self, Context},
};
use secrecy::{ExposeSecret, SecretString};

use super::Unavailable;

/// The client's own limit for one server, of several in the URL.
const SERVER_MAX: Duration = Duration::from_secs(1);
/// More messages than a batch has: all of one are sent before the first is acknowledged.
const IN_FLIGHT_MAX: usize = 100_000;

/// The servers, and the credentials there. At most one kind of credentials is set.
#[derive(Clone, Debug)]
pub struct SignIn {
    /// One URL, or several with commas between them.
    pub url: SecretString,
    pub user: String,
    pub password: SecretString,
    pub token: SecretString,
    /// The content of a file of credentials (a JWT and the seed of its nkey); empty: none.
    pub credentials: SecretString,
    /// Certificates of authorities beside those of the system; empty: none.
    pub ca_file: PathBuf,
    pub requires_tls: bool,
}

pub(super) struct Connection {
    client: Client,
    jetstream: Context,
    /// The last error that the server has sent by itself, such as a permission that is missing.
    complaint: Arc<Mutex<Option<String>>>,
}

impl Connection {
    pub(super) async fn open(sign_in: &SignIn) -> Result<Self, (Unavailable, String)> {
        let complaint = Arc::new(Mutex::new(None));
        let addresses: Vec<_> = sign_in
            .url
            .expose_secret()
            .split(',')
            .map(|url| url.trim().to_owned())
            .collect();
        let options = options(sign_in, &complaint)?.max_reconnects(addresses.len());
        let client = options.connect(addresses).await.map_err(|error| {
            let reason = match error.kind() {
                ConnectErrorKind::Authentication | ConnectErrorKind::AuthorizationViolation => {
                    Unavailable::NotAllowed
                }
                ConnectErrorKind::TimedOut => Unavailable::NoAnswer,
                _ => Unavailable::Unreachable,
            };
            (reason, format!("NATS: {error}"))
        })?;
        let jetstream = jetstream::context::ContextBuilder::new()
            .timeout(super::CONNECT_MAX)
            .ack_timeout(super::PUBLISH_MAX)
            .max_ack_inflight(IN_FLIGHT_MAX)
            .build(client.clone());
        Ok(Self {
            client,
            jetstream,
            complaint,
        })
    }

    pub(super) fn jetstream(&self) -> &Context {
        &self.jetstream
    }

    pub(super) fn is_up(&self) -> bool {
        self.client.connection_state() == State::Connected
    }

    pub(super) fn complaint(&self) -> Option<String> {
        let complaint = self.complaint.lock();
        complaint.unwrap_or_else(PoisonError::into_inner).clone()
    }
}

fn options(
    sign_in: &SignIn,
    complaint: &Arc<Mutex<Option<String>>>,
) -> Result<ConnectOptions, (Unavailable, String)> {
    let mut options = ConnectOptions::new()
        .name("splitcart")
        .connection_timeout(SERVER_MAX)
        .request_timeout(Some(super::CONNECT_MAX))
        .reconnect_delay_callback(|_| Duration::ZERO)
        .require_tls(sign_in.requires_tls);
    if !sign_in.user.is_empty() {
        let password = sign_in.password.expose_secret().to_owned();
        options = options.user_and_password(sign_in.user.clone(), password);
    }
    if !sign_in.token.expose_secret().is_empty() {
        options = options.token(sign_in.token.expose_secret().to_owned());
    }
    if !sign_in.credentials.expose_secret().is_empty() {
        // The library's error may quote what it could not read.
        options = options
            .credentials(sign_in.credentials.expose_secret())
            .map_err(|_| {
                let text = "the file of NATS credentials has no JWT and seed".to_owned();
                (Unavailable::NotAllowed, text)
            })?;
    }
    if !sign_in.ca_file.as_os_str().is_empty() {
        options = options.add_root_certificates(sign_in.ca_file.clone());
    }
    let complaint = Arc::clone(complaint);
    Ok(options.event_callback(move |event| {
        if let ClientEvent::ServerError(ServerError::Other(text)) = event {
            *complaint.lock().unwrap_or_else(PoisonError::into_inner) = Some(text);
        }
        async {}
    }))
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connection").finish_non_exhaustive()
    }
}
