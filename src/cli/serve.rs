//! `splitcart serve`: runs the service until a signal stops it.

use std::{path::Path, time::Duration};

use nix::sys::resource::{Resource, getrlimit, setrlimit};

use crate::{app::App, config::Config};

use super::{
    services::Services,
    signals::{StopSignal, first_stop_signal},
};

/// Serves until Ctrl-C, SIGTERM or SIGHUP, then finishes what was accepted.
///
/// # Errors
/// Something can't be started, or a private service ended by itself.
pub async fn run(config: &Config, data_dir: Option<&Path>) -> anyhow::Result<()> {
    // Before anything is started, so that a signal during the start stops it in order, too.
    let stopped = first_stop_signal()?;
    raise_the_limit_of_open_files();
    tokio::pin!(stopped);
    config.check_for_serving()?;
    for warning in config.warnings() {
        tracing::warn!("{}", warning.text);
    }
    let mut services = Services::get(config, data_dir).await?;
    let started = tokio::select! {
        started = start(config, &services) => started,
        _ = &mut stopped => return services.stop().await,
    };
    let app = match started {
        Ok(app) => app,
        Err(error) => {
            services.stop().await?;
            return Err(error);
        }
    };
    let (signal, failure) = tokio::select! {
        signal = &mut stopped => (Some(signal), None),
        failure = services.failure() => (None, Some(failure)),
    };
    let delay = match signal {
        Some(StopSignal::Terminate) => Duration::from_secs(config.http.drain_delay_s),
        Some(StopSignal::Interrupt) | None => Duration::ZERO,
    };
    app.stop_after(delay).await;
    services.stop().await?;
    failure.map_or(Ok(()), Err)
}

async fn start(config: &Config, services: &Services) -> anyhow::Result<App> {
    let (config, urls) = services.for_serving(config).await?;
    Ok(App::start(&config, &urls.database, &urls.redis).await?)
}

/// Each connection is an open file. The system allows more of them than most shells begin with.
pub fn raise_the_limit_of_open_files() {
    let raised = getrlimit(Resource::RLIMIT_NOFILE).and_then(|(soft, hard)| {
        if soft < hard {
            setrlimit(Resource::RLIMIT_NOFILE, hard, hard)?;
        }
        Ok(hard)
    });
    match raised {
        Ok(limit) => tracing::debug!(limit, "open files are limited to {limit}"),
        Err(error) => tracing::warn!("the limit of open files can't be raised: {error}"),
    }
}
