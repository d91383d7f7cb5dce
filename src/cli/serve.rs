//! `splitcart serve`: runs until it is told to stop.

use std::{io, path::Path};

use tokio::signal::unix::{SignalKind, signal};

use crate::{app::App, config::Config};

use super::services::Services;

/// Serves until Ctrl-C or SIGTERM, then finishes what was accepted.
///
/// # Errors
/// Something can't be started, or a private service ended by itself.
pub async fn run(config: &Config, data_dir: Option<&Path>) -> anyhow::Result<()> {
    // Before anything is started, so that a signal during the start stops it in order, too.
    let told_to_stop = stop_signal()?;
    tokio::pin!(told_to_stop);
    warn_about_the_secret(config);
    let mut services = Services::get(config, data_dir).await?;
    let urls = services.urls.clone();
    let started = tokio::select! {
        started = App::start(config, &urls.database, &urls.redis) => started,
        () = &mut told_to_stop => return services.stop().await,
    };
    let app = match started {
        Ok(app) => app,
        Err(error) => {
            services.stop().await?;
            return Err(error.into());
        }
    };
    let failure = tokio::select! {
        () = &mut told_to_stop => None,
        failure = services.failure() => Some(failure),
    };
    app.stop().await;
    services.stop().await?;
    failure.map_or(Ok(()), Err)
}

/// Resolves at the first SIGINT or SIGTERM.
///
/// # Errors
/// The signals can't be caught.
pub fn stop_signal() -> io::Result<impl Future<Output = ()>> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}

fn warn_about_the_secret(config: &Config) {
    if config.has_development_secret() {
        tracing::warn!(
            "tokens are signed with the development secret, which everybody can read; set \
             SPLITCART_AUTH_HS256_SECRET before anybody else can reach this server"
        );
    }
}
