//! Settings that are a time or `"off"`.

use std::{ops::RangeInclusive, time::Duration};

/// The shortest time of these settings.
const MIN: Duration = Duration::from_secs(1);

/// Reads such a setting: `None` for `"off"`.
///
/// # Errors
/// A sentence that names the setting, for what is neither, or not from `"1s"` to `days_max`.
pub(super) fn read(
    key: &str,
    text: &str,
    days_max: u64,
    example: &str,
) -> Result<Option<Duration>, String> {
    if text == "off" {
        return Ok(None);
    }
    let range: RangeInclusive<_> = MIN..=Duration::from_hours(days_max * 24);
    match humantime::parse_duration(text) {
        Ok(time) if range.contains(&time) => Ok(Some(time)),
        _ => Err(format!(
            "{key} is {text:?}; it must be \"off\" or a time from \"1s\" to \"{days_max}days\", such as \
             {example:?}"
        )),
    }
}
