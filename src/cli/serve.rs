//! `splitcart serve`: runs until a signal stops it.

use std::{io, path::Path, time::Duration};

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use tokio::signal::unix::{SignalKind, signal};

use crate::{app::App, config::Config};

use super::services::Services;

/// Serves until Ctrl-C, SIGTERM or SIGHUP, then finishes what was accepted.
///
/// # Errors
/// Something can't be started, or a private service ended by itself.
pub async fn run(config: &Config, data_dir: Option<&Path>) -> anyhow::Result<()> {
    // Registered before anything starts, so that a signal during the start stops it in order, too.
    let told_to_stop = first_stop_signal()?;
    raise_the_limit_of_open_files();
    tokio::pin!(told_to_stop);
    config.check_for_serving()?;
    for warning in config.warnings() {
        tracing::warn!("{warning}");
    }
    let mut services = Services::get(config, data_dir).await?;
    let started = tokio::select! {
        started = start(config, &services) => started,
        _ = &mut told_to_stop => return services.stop().await,
    };
    let app = match started {
        Ok(app) => app,
        Err(error) => {
            services.stop().await?;
            return Err(error);
        }
    };
    let (signal, failure) = tokio::select! {
        signal = &mut told_to_stop => (Some(signal), None),
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

/// The sender of a stop signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum StopSignal {
    /// Ctrl-C: a person, who waits for the end.
    Interrupt,
    /// SIGTERM or SIGHUP: a service manager or another program.
    Terminate,
}

/// Resolves at the first SIGINT, SIGTERM or SIGHUP.
///
/// # Errors
/// The signals can't be caught.
pub fn stop_signal() -> io::Result<impl Future<Output = ()>> {
    let signal = first_stop_signal()?;
    Ok(async move {
        signal.await;
    })
}

fn first_stop_signal() -> io::Result<impl Future<Output = StopSignal>> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hangup = signal(SignalKind::hangup())?;
    ignore_what_means_nothing()?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => StopSignal::Interrupt,
            _ = terminate.recv() => StopSignal::Terminate,
            _ = hangup.recv() => StopSignal::Terminate,
        }
    })
}

/// Ignores signals that log rotation and similar tools send to other services. By default they would
/// end the process; a handler prevents that, even if its signal is never read.
///
/// # Errors
/// The signals can't be caught.
pub fn ignore_what_means_nothing() -> io::Result<()> {
    for kind in [SignalKind::user_defined1(), SignalKind::user_defined2()] {
        drop(signal(kind)?);
    }
    Ok(())
}

/// Each connection is an open file. What the system lets us have is more than most shells begin with.
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
