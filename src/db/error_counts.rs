//! Counts the errors of this process by kind, for the metrics.

use std::sync::atomic::{AtomicU64, Ordering};

use super::error::{Error, Fault};

/// In the order of [`KINDS`].
static COUNTS: [AtomicU64; KINDS.len()] = [const { AtomicU64::new(0) }; KINDS.len()];
const KINDS: [&str; 5] = [
    "transient",
    "busy",
    "unreachable",
    "constraint",
    "permanent",
];

/// The errors so far, by kind.
pub fn error_counts() -> impl Iterator<Item = (&'static str, u64)> {
    let counts = COUNTS.iter().map(|count| count.load(Ordering::Relaxed));
    KINDS.into_iter().zip(counts)
}

pub(super) fn count(error: &Error) {
    let kind = match error.fault() {
        Fault::Transient => 0,
        Fault::Busy => 1,
        Fault::Unreachable => 2,
        // Some statements are meant to run into a constraint: it decides a race.
        Fault::Permanent if error.constraint().is_some() => 3,
        Fault::Permanent => 4,
    };
    COUNTS[kind].fetch_add(1, Ordering::Relaxed);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_counted_under_its_kind() {
        let unreachable = || error_counts().find(|(kind, _)| *kind == "unreachable");
        let (_, before) = unreachable().unwrap();
        drop(Error::timed_out("be in time"));
        let (_, after) = unreachable().unwrap();
        // Other tests count, too.
        assert!(after > before);
    }
}
