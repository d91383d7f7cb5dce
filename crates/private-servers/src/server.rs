//! The parts that a private PostgreSQL and a private Redis have in common: start in a data directory, watch,
//! stop.

use std::{path::Path, sync::Arc, time::Duration};

use nix::sys::signal::Signal;
use tokio::process::Command;

use super::{
    Error,
    child::Service,
    directory::{Directory, SocketDirectory},
    leftover,
};

/// The differences between the two servers.
#[derive(Debug)]
pub(super) struct Kind {
    /// The name in messages.
    pub(super) name: &'static str,
    pub(super) program: &'static str,
    /// The subdirectory with the data.
    pub(super) data: &'static str,
    pub(super) log: &'static str,
    pub(super) ready_within: Duration,
    /// The pause between two questions whether the server is ready.
    pub(super) poll: Duration,
    /// The signals that end it, one after the other, each with its own time to take effect.
    pub(super) stop: &'static [(Signal, Duration)],
    /// The signal that ends it without loss when there is no time to ask.
    pub(super) last_word: Signal,
}

/// A server that answers. Dropping it stops it as a crash would; `stop` asks it to end and waits.
#[derive(Debug)]
pub(super) struct Server {
    // In this order: the process ends before its directories go.
    service: Service,
    kind: &'static Kind,
    _socket_directory: SocketDirectory,
    directory: Arc<Directory>,
}

impl Server {
    /// Runs `command` and waits until it `answers`.
    pub(super) async fn start(
        kind: &'static Kind,
        command: Command,
        socket_directory: SocketDirectory,
        directory: Arc<Directory>,
        answers: impl AsyncFn() -> bool,
    ) -> Result<Self, Error> {
        let log = directory.new_log(kind.log)?;
        let account = directory.account();
        let service = Service::start(kind.name, command, account, log, kind.last_word)?;
        let mut server = Self {
            service,
            kind,
            _socket_directory: socket_directory,
            directory,
        };
        let service = &mut server.service;
        service
            .wait_until_ready(kind.ready_within, kind.poll, answers)
            .await?;
        Ok(server)
    }

    pub(super) fn data_dir(&self) -> &Path {
        self.directory.path()
    }

    /// None once the process has been seen to end.
    pub(super) fn pid(&self) -> Option<u32> {
        self.service.pid()
    }

    /// Resolves when the server ends without being asked to.
    pub(super) async fn wait_for_failure(&mut self) -> Error {
        self.service.wait_for_failure().await
    }

    pub(super) async fn stop(self) -> Result<(), Error> {
        self.service.stop(self.kind.stop).await
    }

    /// Leaves the process running, as a killed owner does.
    #[cfg(test)]
    pub(super) fn abandon(self) {
        std::mem::forget(self.service);
    }
}

/// Stops a server that a killed owner of the directory left running.
pub(super) async fn stop_leftovers(kind: &Kind, directory: &Directory) -> Result<(), Error> {
    leftover::stop_all(kind.program, &directory.path().join(kind.data), kind.stop).await
}
