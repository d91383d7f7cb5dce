//! Times on the command line: `2026-11-26T16:30:00Z`, or how long ago, such as `2h`.

use chrono::{DateTime, TimeDelta, Utc};

/// Reads a time.
pub(crate) fn parse(text: &str) -> Result<DateTime<Utc>, String> {
    if let Ok(time) = DateTime::parse_from_rfc3339(text) {
        return Ok(time.to_utc());
    }
    let ago = humantime::parse_duration(text)
        .ok()
        .and_then(|ago| TimeDelta::from_std(ago).ok());
    ago.and_then(|ago| Utc::now().checked_sub_signed(ago))
        .ok_or_else(|| {
            "it must be a time such as 2026-11-26T16:30:00Z, or how long ago, such as 2h or 30m"
                .to_owned()
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_given_with_its_zone_or_as_how_long_ago() {
        assert_eq!(
            parse("2026-11-26T17:30:00+01:00").unwrap().to_rfc3339(),
            "2026-11-26T16:30:00+00:00"
        );
        let two_hours_ago = parse("2h").unwrap();
        let since = Utc::now() - two_hours_ago;
        assert!(since >= TimeDelta::hours(2) && since < TimeDelta::hours(3));
        for unclear in [
            "",
            "yesterday",
            "2026-11-26",
            "2026-11-26T16:30:00",
            "99999999999years",
        ] {
            assert!(parse(unclear).is_err(), "{unclear}");
        }
    }
}
