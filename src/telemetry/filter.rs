//! The filter of the log, which can be replaced for a while.

use std::{
    sync::{Mutex, MutexGuard, OnceLock, PoisonError},
    time::{Duration, Instant},
};

use tracing_subscriber::EnvFilter;

use super::BadFilter;

/// Puts a filter into use. False if the logger is gone.
type Reload = Box<dyn Fn(EnvFilter) -> bool + Send + Sync>;

static SWITCH: OnceLock<Switch> = OnceLock::new();

struct Switch {
    /// The filter that the service was started with.
    configured: String,
    reload: Reload,
    change: Mutex<Option<Change>>,
}

/// A filter in the place of the configured one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    pub filter: String,
    /// The time at which the configured one is put back.
    pub until: Instant,
}

/// The filters of the log.
#[derive(Clone, Debug)]
pub struct Filters {
    pub configured: String,
    pub change: Option<Change>,
}

/// What no filter lets through: sqlx would quote an unknown parameter of a URL, and it may be a misspelt
/// password.
const NEVER: &str = "sqlx_postgres::options=off";

/// Reads a filter, and adds to it what is never logged.
///
/// # Errors
/// The filter is malformed.
pub(super) fn read(filter: &str) -> Result<EnvFilter, BadFilter> {
    let never = NEVER.parse().expect("it is a directive");
    Ok(EnvFilter::builder().parse(filter)?.add_directive(never))
}

/// Makes the filter replaceable from now on.
pub(super) fn keep(configured: &str, reload: Reload) {
    let switch = Switch {
        configured: configured.to_owned(),
        reload,
        change: Mutex::default(),
    };
    drop(SWITCH.set(switch));
}

/// The filters now; `None` if nothing is logged.
pub fn current() -> Option<Filters> {
    let switch = SWITCH.get()?;
    let change = switch.change().clone();
    let configured = switch.configured.clone();
    Some(Filters { configured, change })
}

/// Replaces the filter. Whoever calls this is to call [`revert`] with the result when its time is over.
///
/// # Errors
/// The filter is malformed; nothing was changed.
pub fn replace(filter: &str, keep_for: Duration) -> Result<Change, BadFilter> {
    let parsed = read(filter)?;
    let change = Change {
        filter: filter.to_owned(),
        until: Instant::now() + keep_for,
    };
    if let Some(switch) = SWITCH.get() {
        let mut current = switch.change();
        if (switch.reload)(parsed) {
            *current = Some(change.clone());
        }
    }
    Ok(change)
}

/// Puts the configured filter back, unless this change was replaced by another one.
pub fn revert(change: &Change) {
    let Some(switch) = SWITCH.get() else { return };
    let mut current = switch.change();
    if current.as_ref() == Some(change)
        && let Ok(configured) = read(&switch.configured)
        && (switch.reload)(configured)
    {
        *current = None;
    }
}

impl Switch {
    fn change(&self) -> MutexGuard<'_, Option<Change>> {
        self.change.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_filter_lets_a_misspelt_password_through() {
        for asked in [
            "",
            "trace",
            "info,sqlx_postgres::options=trace",
            "sqlx_postgres=debug",
        ] {
            let filter = read(asked).unwrap().to_string();
            assert!(filter.contains(NEVER), "{asked}: {filter}");
            assert!(!filter.contains("options=trace"), "{asked}: {filter}");
        }
    }
}
