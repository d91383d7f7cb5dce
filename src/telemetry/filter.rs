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
    let parsed = EnvFilter::builder().parse(filter)?;
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
        && let Ok(configured) = EnvFilter::builder().parse(&switch.configured)
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
