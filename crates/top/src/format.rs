//! How numbers and times are written, as on the page.

/// A number with as many digits as matter.
pub fn number(value: f64) -> String {
    if value == 0.0 {
        return "0".to_owned();
    }
    if value < 0.05 {
        return "<0.1".to_owned();
    }
    if value < 9.95 && value.fract() != 0.0 {
        return format!("{value:.1}");
    }
    let digits = format!("{value:.0}");
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A duration in milliseconds, with its unit.
pub fn duration(ms: f64) -> String {
    match ms {
        0.0 => "0 ms".to_owned(),
        ..0.05 => "<0.1 ms".to_owned(),
        ..9.95 => format!("{ms:.1} ms"),
        ..999.5 => format!("{ms:.0} ms"),
        ..9950.0 => format!("{:.1} s", ms / 1e3),
        ..120e3 => format!("{:.0} s", ms / 1e3),
        ..7200e3 => format!("{:.0} min", ms / 60e3),
        ..172_800e3 => format!("{:.0} h", ms / 3600e3),
        _ => format!("{:.0} days", ms / 86400e3),
    }
}

/// A duration that may be unknown.
pub fn known_duration(ms: Option<f64>) -> String {
    ms.map_or_else(|| "–".to_owned(), duration)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_the_digits_that_matter() {
        for (value, text) in [
            (0.0, "0"),
            (0.01, "<0.1"),
            (3.25, "3.2"),
            (4.0, "4"),
            (2914.2, "2,914"),
        ] {
            assert_eq!(number(value), text);
        }
    }

    #[test]
    fn durations_have_the_unit_that_fits() {
        for (ms, text) in [
            (0.0, "0 ms"),
            (0.02, "<0.1 ms"),
            (4.21, "4.2 ms"),
            (538.0, "538 ms"),
            (1432.0, "1.4 s"),
            (90e3, "90 s"),
            (400e3, "7 min"),
            (3.0 * 86400e3, "3 days"),
        ] {
            assert_eq!(duration(ms), text);
        }
        assert_eq!(known_duration(None), "–");
    }
}
