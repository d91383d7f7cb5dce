//! Processes by /proc: their children, their state, their CPU time.

use std::fs;

use anyhow::Context;
use nix::unistd::Pid;

/// Fields of `/proc/PID/stat`, counted behind the name.
const STATE: usize = 0;
const PARENT: usize = 1;
const USER_TICKS: usize = 11;
const SYSTEM_TICKS: usize = 12;

/// A process and all that it has started itself.
pub fn with_children(parent: Pid) -> Vec<Pid> {
    let mut all = vec![parent];
    let Ok(entries) = fs::read_dir("/proc") else {
        return all;
    };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let Some(pid) = name.to_str().and_then(|name| name.parse().ok()) else {
            continue;
        };
        let pid = Pid::from_raw(pid);
        let is_child = context(pid, PARENT).is_ok_and(|it| it == parent.to_string());
        if is_child {
            all.push(pid);
        }
    }
    all
}

/// True of a process that is stopped.
pub fn is_stopped(pid: Pid) -> bool {
    context(pid, STATE).is_ok_and(|state| state == "T")
}

/// The processor time that a process has had, in seconds.
pub fn processor_s(pid: Pid) -> anyhow::Result<f64> {
    let ticks = |at| anyhow::Ok(context(pid, at)?.parse::<f64>()?);
    // Linux always reports hundredths of a second.
    Ok((ticks(USER_TICKS)? + ticks(SYSTEM_TICKS)?) / 100.0)
}

fn context(pid: Pid, at: usize) -> anyhow::Result<String> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let (_, rest) = stat.rsplit_once(')').context("a name is in brackets")?;
    let context = rest.split_whitespace().nth(at);
    Ok(context.context("it has more fields")?.to_owned())
}
