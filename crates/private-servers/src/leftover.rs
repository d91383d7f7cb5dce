//! Services that a killed owner left running. They are known by what they do, a program of that
//! name working in our directory, never by a pid file: process ids are used again.

use std::{fs, path::Path, time::Duration};

use nix::{
    errno::Errno,
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use tokio::time::{Instant, sleep};

use super::Error;

const POLL: Duration = Duration::from_millis(10);

/// Stops every `program` that works in `directory`, with one signal after the other, each with its
/// own time to take effect. The caller holds the directory's lock.
pub(super) async fn stop_all(
    program: &'static str,
    directory: &Path,
    signals: &[(Signal, Duration)],
) -> Result<(), Error> {
    let Ok(directory) = fs::canonicalize(directory) else {
        return Ok(());
    };
    for (signal, patience) in signals {
        let left = working_in(program, &directory);
        if left.is_empty() {
            return Ok(());
        }
        tracing::warn!(program, ?left, %signal, "stopping a service that a crash left running");
        for pid in left {
            send(pid, *signal);
        }
        let deadline = Instant::now() + *patience;
        while !working_in(program, &directory).is_empty() && Instant::now() < deadline {
            sleep(POLL).await;
        }
    }
    match working_in(program, &directory).first() {
        None => Ok(()),
        Some(pid) => Err(Error::StillRunning {
            service: program,
            directory,
            pid: pid.as_raw().unsigned_abs(),
        }),
    }
}

/// Sends `signal` and wakes the process if somebody stopped it. Whether it is still there is for
/// the caller to look at.
pub(super) fn send(pid: Pid, signal: Signal) {
    if kill(pid, signal) != Err(Errno::ESRCH) && signal != Signal::SIGKILL {
        let _ = kill(pid, Signal::SIGCONT);
    }
}

fn working_in(program: &str, directory: &Path) -> Vec<Pid> {
    fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .flatten()
        .filter(|entry| {
            let process = entry.path();
            fs::read_to_string(process.join("comm")).is_ok_and(|name| name.trim_end() == program)
                && fs::read_link(process.join("cwd")).is_ok_and(|place| place == directory)
        })
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .map(Pid::from_raw)
        .collect()
}
