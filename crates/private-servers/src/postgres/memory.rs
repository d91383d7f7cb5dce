//! The memory that a private PostgreSQL takes for its cache, by the memory of the machine.

use std::fs;

const MB: u64 = 1024 * 1024;

/// The size of the machine's memory where the system does not tell it.
const UNKNOWN: u64 = 1024 * MB;

/// The cache of a server beside which others run.
const SMALL_MB: u64 = 256;
/// The largest cache: beyond it the system's own cache does as well.
const LARGE_MB: u64 = 2048;

/// The share of the machine that a server may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Memory {
    /// Little: several servers run on this machine at a time, as for tests.
    Little,
    /// A quarter of the machine's memory for the cache, and at most 2 GB.
    ByTheMachine,
}

impl Memory {
    /// PostgreSQL's settings.
    pub(super) fn settings(self) -> Vec<String> {
        match self {
            Self::Little => vec![format!("shared_buffers={SMALL_MB}MB")],
            Self::ByTheMachine => settings_for(of_the_machine() / MB),
        }
    }
}

fn settings_for(machine_mb: u64) -> Vec<String> {
    let shared_buffers = (machine_mb / 4).clamp(128, LARGE_MB);
    let maintenance = (machine_mb / 32).clamp(64, 512);
    vec![
        format!("shared_buffers={shared_buffers}MB"),
        // An estimate for the planner: the system caches files in the rest.
        format!("effective_cache_size={}MB", machine_mb / 2),
        // For building indexes and for vacuum.
        format!("maintenance_work_mem={maintenance}MB"),
    ]
}

/// The memory of the machine, or of the container if that is less.
fn of_the_machine() -> u64 {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let machine = total(&read("/proc/meminfo"));
    let container = read("/sys/fs/cgroup/memory.max").trim().parse().ok();
    [machine, container]
        .into_iter()
        .flatten()
        .min()
        .unwrap_or(UNKNOWN)
}

/// `MemTotal` of `/proc/meminfo`, in bytes.
fn total(meminfo: &str) -> Option<u64> {
    let line = meminfo
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kb: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kb * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quarter_of_the_memory_is_cache_and_no_more_than_two_gigabytes() {
        for (machine_mb, shared_buffers) in [
            (256, "128MB"),
            (2048, "512MB"),
            (8192, "2048MB"),
            (262_144, "2048MB"),
        ] {
            let settings = settings_for(machine_mb);
            let expected = format!("shared_buffers={shared_buffers}");
            assert!(settings.contains(&expected), "{machine_mb}: {settings:?}");
        }
    }

    #[test]
    fn the_machine_s_memory_is_read() {
        let meminfo = "MemTotal:       24684084 kB\nMemFree:         1193492 kB\n";
        assert_eq!(total(meminfo), Some(24_684_084 * 1024));
        assert_eq!(total(""), None);
        assert!(of_the_machine() > 128 * MB);
    }
}
