//! Times on the command line.

use std::time::Duration;

const TIME_MAX: Duration = Duration::from_hours(24);

/// `500ms`, `10s`, `2m` or `1m 30s`; a bare number is seconds.
pub(crate) fn parse_time(text: &str) -> Result<Duration, String> {
    const SUCH_AS: &str = "write a time of up to a day such as 500ms, 10s or 2m";
    let seconds = format!("{text}s");
    // A number without a unit is refused by humantime, but for 0.
    let is_bare = text.ends_with(|last: char| last.is_ascii_digit());
    match humantime::parse_duration(if is_bare { &seconds } else { text }) {
        Ok(time) if time <= TIME_MAX => Ok(time),
        Ok(_) => Err(format!("more than a day; {SUCH_AS}")),
        Err(error) => Err(format!("{error}; {SUCH_AS}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_units() {
        let ms = |text| parse_time(text).unwrap().as_millis();
        assert_eq!(
            [ms("250ms"), ms("3"), ms("1.5s"), ms("2m")],
            [250, 3000, 1500, 120_000]
        );
        assert_eq!(
            [ms("1m 30s"), ms("1h"), ms("1.5"), ms("0")],
            [90_000, 3_600_000, 1500, 0]
        );
        for text in ["", "s", "-1s", "25h", "NaN", "1x", "inf", "1e3"] {
            assert!(parse_time(text).is_err(), "{text}");
        }
        let complaint = parse_time("10x").unwrap_err();
        assert!(complaint.contains("unknown time unit \"x\""), "{complaint}");
    }
}
