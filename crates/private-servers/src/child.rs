//! One service as our child process: its log, its end, and how it is stopped.

use std::{
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    time::Duration,
};

use nix::{sys::signal::Signal, unistd::Pid};
use tokio::{
    process::{Child, Command},
    time::{Instant, sleep, timeout},
};

use super::{Error, account::Account, directory::Log, leftover::send};

const LOG_LINES_SHOWN: usize = 12;
const LOG_BYTES_SHOWN: usize = 8 * 1024;
const KEPT_VARIABLES: [&str; 2] = ["PATH", "TZ"];
const DROP_PATIENCE: Duration = Duration::from_secs(10);
const DROP_POLL: Duration = Duration::from_millis(5);

/// A program that gets only the search path and the time zone of our environment, which holds the secret of
/// tokens, passwords, and settings for another server.
pub(super) fn command(program: &Path) -> Command {
    let mut command = Command::new(program);
    command.env_clear().env("LC_ALL", "C");
    for name in KEPT_VARIABLES {
        if let Some(value) = std::env::var_os(name) {
            command.env(name, value);
        }
    }
    command
}

/// A running service. Dropping it stops it the hard way, which both services survive without loss
/// of what they acknowledged.
#[derive(Debug)]
pub(super) struct Service {
    name: &'static str,
    child: Child,
    log: Log,
    /// The signal that ends it for certain when there is no time to ask.
    last_word: Signal,
}

impl Service {
    /// Starts `command` with its output in `log`.
    pub(super) fn start(
        name: &'static str,
        mut command: Command,
        account: &Account,
        log: Log,
        last_word: Signal,
    ) -> Result<Self, Error> {
        let copy = || log.file.try_clone().map_err(Error::io("open", &log.path));
        let (output, errors) = (copy()?, copy()?);
        account.runs(&mut command);
        let program = PathBuf::from(command.as_std().get_program());
        let child = command
            .stdin(Stdio::null())
            .stdout(output)
            .stderr(errors)
            // Ctrl-C in the terminal is for us; we then stop the services when we need them no more.
            .process_group(0)
            .spawn()
            .map_err(Error::io("start", &program))?;
        Ok(Self {
            name,
            child,
            log,
            last_word,
        })
    }

    /// The process id, for as long as the process has not been waited for.
    pub(super) fn pid(&self) -> Option<u32> {
        self.child.id()
    }

    /// Calls `answers` until it returns true, the service ends, or `limit` is over.
    pub(super) async fn wait_until_ready(
        &mut self,
        limit: Duration,
        pause: Duration,
        answers: impl AsyncFn() -> bool,
    ) -> Result<(), Error> {
        let deadline = Instant::now() + limit;
        loop {
            if let Some(status) = self.try_wait()? {
                return Err(self.ended(status));
            }
            if matches!(timeout(limit, answers()).await, Ok(true)) {
                return Ok(());
            }
            if Instant::now() >= deadline {
                return Err(Error::NotReady {
                    service: self.name,
                    limit_seconds: limit.as_secs(),
                    log: self.log.path.clone(),
                    log_end: last_lines(&self.log),
                });
            }
            sleep(pause).await;
        }
    }

    /// Resolves when the service ends without being asked to. May be dropped and called again.
    pub(super) async fn wait_for_failure(&mut self) -> Error {
        match self.child.wait().await {
            Ok(status) => self.ended(status),
            Err(error) => Error::io("wait for", &self.log.path)(error),
        }
    }

    /// Sends one signal after the other, each with its own time to take effect.
    pub(super) async fn stop(mut self, signals: &[(Signal, Duration)]) -> Result<(), Error> {
        for (signal, patience) in signals {
            let Some(pid) = self.raw_pid() else {
                return Ok(());
            };
            send(pid, *signal);
            if timeout(*patience, self.child.wait()).await.is_ok() {
                return Ok(());
            }
            tracing::warn!(service = self.name, %signal, "the service does not stop");
        }
        Err(Error::StillRunning {
            service: self.name,
            directory: self.log.path.clone(),
            pid: self.pid().unwrap_or_default(),
        })
    }

    fn try_wait(&mut self) -> Result<Option<ExitStatus>, Error> {
        self.child
            .try_wait()
            .map_err(Error::io("wait for", &self.log.path))
    }

    fn ended(&self, status: ExitStatus) -> Error {
        Error::Ended {
            service: self.name,
            status,
            log: self.log.path.clone(),
            log_end: last_lines(&self.log),
        }
    }

    fn raw_pid(&self) -> Option<Pid> {
        self.child
            .id()
            .and_then(|pid| i32::try_from(pid).ok())
            .map(Pid::from_raw)
    }
}

impl Drop for Service {
    /// Waits for the end, so that a temporary directory can be removed right after. The signal is
    /// sent again and again: a program that has only just begun may still ignore what its parents
    /// ignored.
    fn drop(&mut self) {
        for signal in [self.last_word, Signal::SIGKILL] {
            let deadline = Instant::now() + DROP_PATIENCE;
            while let (Some(pid), Ok(None)) = (self.raw_pid(), self.child.try_wait()) {
                if Instant::now() >= deadline {
                    break;
                }
                send(pid, signal);
                std::thread::park_timeout(DROP_POLL);
            }
        }
    }
}

fn last_lines(log: &Log) -> String {
    let len = log.file.metadata().map_or(0, |metadata| metadata.len());
    let mut end = vec![0; LOG_BYTES_SHOWN];
    let begin = len.saturating_sub(LOG_BYTES_SHOWN as u64);
    let read = log.file.read_at(&mut end, begin).unwrap_or(0);
    let text = String::from_utf8_lossy(&end[..read]);
    let lines: Vec<_> = text.lines().collect();
    lines[lines.len().saturating_sub(LOG_LINES_SHOWN)..].join("\n")
}
