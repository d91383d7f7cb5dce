//! Sums up log lines of one kind when there are too many of them: who is refused in a flood must not
//! fill a disk, nor push everybody else's lines out of the log.

use std::{
    collections::HashMap,
    sync::{LazyLock, Mutex, PoisonError},
    time::Duration,
};

/// How many lines of a kind are written in a second.
const LINES_MAX: u64 = 20;
const WINDOW: Duration = Duration::from_secs(1);

static FLOODS: LazyLock<Mutex<Floods>> = LazyLock::new(Mutex::default);

/// What lines have in common. Of few values: they are remembered for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Kind {
    /// What happened, in the plural, such as "requests were answered".
    pub what: &'static str,
    /// An answer's status, or 0.
    pub status: u16,
    /// An answer's code, or nothing.
    pub code: &'static str,
}

impl Kind {
    /// Requests that were answered alike.
    pub fn answered(status: u16, code: &'static str) -> Self {
        Self {
            what: "requests were answered",
            status,
            code,
        }
    }
}

/// Whether one more line of a kind may be written; else it is counted, to be told by [`tell_sums`].
pub fn admits(kind: Kind) -> bool {
    let mut floods = FLOODS.lock().unwrap_or_else(PoisonError::into_inner);
    floods.admits(kind)
}

/// Tells what was left out, every second, for ever.
pub async fn tell_sums() {
    loop {
        tokio::time::sleep(WINDOW).await;
        tell_the_rest();
    }
}

/// Tells what was left out up to now.
pub fn tell_the_rest() {
    let sums = FLOODS
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .end_window();
    for (Kind { what, status, code }, left_out) in sums {
        tracing::info!(
            log.left_out = left_out,
            http.status = (status > 0).then_some(status),
            error.code = (!code.is_empty()).then_some(code),
            "{left_out} more {what}{} in the last second; no line was written for each",
            match status {
                0 => String::new(),
                status => format!(" {status} {code}"),
            }
        );
    }
}

#[derive(Debug, Default)]
struct Floods {
    /// How many lines of each kind there were in this second.
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
    fn each_kind_has_its_lines_and_what_is_beyond_is_summed_up() {
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
