//! Rate-limits log lines of one kind and logs the number of those left out: a flood of refused requests
//! must neither fill a disk nor push all other lines out of the log.

use std::{
    collections::HashMap,
    sync::{LazyLock, Mutex, PoisonError},
    time::Duration,
};

/// The most lines of a kind in a [`WINDOW`].
const LINES_MAX: u64 = 20;
const WINDOW: Duration = Duration::from_secs(1);

static FLOODS: LazyLock<Mutex<Floods>> = LazyLock::new(Mutex::default);

/// Lines that are counted together. There must be few kinds, for each is remembered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Kind {
    /// The event in the plural, such as "requests were answered".
    pub what: &'static str,
    /// The answer's status, or 0.
    pub status: u16,
    /// The answer's error code, or nothing.
    pub code: &'static str,
}

impl Kind {
    pub fn answered(status: u16, code: &'static str) -> Self {
        Self {
            what: "requests were answered",
            status,
            code,
        }
    }
}

/// Counts a line of a kind, and returns true if it may be written.
pub fn admits(kind: Kind) -> bool {
    let mut floods = FLOODS.lock().unwrap_or_else(PoisonError::into_inner);
    floods.admits(kind)
}

/// Logs at the end of each window, forever, how many lines were left out.
pub async fn report_every_window() {
    loop {
        tokio::time::sleep(WINDOW).await;
        report_left_out();
    }
}

/// Logs how many lines were left out in the present window, and begins the next.
pub fn report_left_out() {
    let sums = FLOODS
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .end_window();
    for (Kind { what, status, code }, left_out) in sums {
        tracing::info!(
            log.left_out = left_out,
            http.status = (status > 0).then_some(status),
            error.code = (!code.is_empty()).then_some(code),
            "{left_out} more {what}{} in the last second; their lines were left out",
            match status {
                0 => String::new(),
                status => format!(" {status} {code}"),
            }
        );
    }
}

#[derive(Debug, Default)]
struct Floods {
    /// The lines of each kind in the present window, written or not.
    lines: HashMap<Kind, u64>,
}

impl Floods {
    fn admits(&mut self, kind: Kind) -> bool {
        let lines = self.lines.entry(kind).or_default();
        *lines += 1;
        *lines <= LINES_MAX
    }

    fn end_window(&mut self) -> Vec<(Kind, u64)> {
        let sums = self.lines.drain();
        sums.filter(|(_, lines)| *lines > LINES_MAX)
            .map(|(kind, lines)| (kind, lines - LINES_MAX))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_has_its_own_limit_and_lines_beyond_it_are_counted() {
        let mut floods = Floods::default();
        let limited = Kind::answered(429, "RATE_LIMITED");
        let unknown = Kind::answered(404, "NOT_FOUND");
        let written = (0..1000).filter(|_| floods.admits(limited)).count();
        assert_eq!(written as u64, LINES_MAX);
        assert!(floods.admits(unknown), "another kind");
        assert_eq!(floods.end_window(), [(limited, 1000 - LINES_MAX)]);
        assert!(floods.admits(limited), "another second");
        assert_eq!(floods.end_window(), []);
    }
}
