//! Numbers by their digits: a float would take 2147483647.0000000001 for a whole number.

use std::cell::Cell;

/// The numbers of a JSON text, in their sequence. They are looked up only on demand: most texts have
/// only plain integers.
pub struct Numbers<'t> {
    text: &'t [u8],
    /// The numbers passed since the last one that was looked up.
    passed: Cell<usize>,
    at: Cell<usize>,
}

impl<'t> Numbers<'t> {
    /// The numbers of a text.
    pub fn of(text: &'t [u8]) -> Self {
        Self {
            text,
            passed: Cell::new(0),
            at: Cell::new(0),
        }
    }

    /// Skips a number.
    pub fn pass(&self) {
        self.passed.set(self.passed.get() + 1);
    }

    /// The next number as it was written; `None` after the last.
    pub fn take(&self) -> Option<&'t str> {
        for _ in 0..self.passed.replace(0) {
            self.next()?;
        }
        self.next()
    }

    fn next(&self) -> Option<&'t str> {
        let mut at = self.at.get();
        loop {
            match self.text.get(at)? {
                b'"' => at = end_of_string(self.text, at)?,
                b'-' | b'0'..=b'9' => break,
                _ => at += 1,
            }
        }
        let of_number = |byte: &&u8| matches!(byte, b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E');
        let length = self.text[at..].iter().take_while(of_number).count();
        self.at.set(at + length);
        std::str::from_utf8(&self.text[at..at + length]).ok()
    }
}

/// The position after the string that begins here.
fn end_of_string(text: &[u8], begin: usize) -> Option<usize> {
    let mut at = begin + 1;
    loop {
        match text.get(at)? {
            b'"' => return Some(at + 1),
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
}

/// The value of a JSON number if it is whole and has at most 18 digits.
pub fn whole(text: &str) -> Option<i64> {
    const DIGITS_MAX: usize = 18;
    let (sign, unsigned) = match text.strip_prefix('-') {
        Some(unsigned) => (-1, unsigned),
        None => (1, text),
    };
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
        None => (unsigned, 0),
    };
    let (integer, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = || integer.bytes().chain(fraction.bytes());
    let zeros = digits().take_while(|digit| *digit == b'0').count();
    let length = integer.len() + fraction.len();
    if zeros == length {
        return Some(0);
    }
    // The number of significant digits before the point.
    let point =
        i64::try_from(integer.len()).ok()? + i64::from(exponent) - i64::try_from(zeros).ok()?;
    let point = usize::try_from(point)
        .ok()
        .filter(|point| *point <= DIGITS_MAX)?;
    let mut value = 0;
    for (place, digit) in digits().skip(zeros).enumerate() {
        if place < point {
            value = value * 10 + i64::from(digit - b'0');
        } else if digit != b'0' {
            return None;
        }
    }
    let missing = point.saturating_sub(length - zeros);
    let missing = u32::try_from(missing).ok()?;
    Some(sign * value * 10_i64.pow(missing))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn whole_numbers_are_known_by_their_digits() {
        for (text, value) in [
            ("10.0", Some(10)),
            ("10.000", Some(10)),
            ("1e1", Some(10)),
            ("1E+1", Some(10)),
            ("0.1e2", Some(10)),
            ("1000e-2", Some(10)),
            ("-10.0", Some(-10)),
            ("0.0", Some(0)),
            ("-0.0", Some(0)),
            ("0e999999999", Some(0)),
            ("2147483647.0", Some(2_147_483_647)),
            ("999999999999999999.0", Some(999_999_999_999_999_999)),
            ("1e17", Some(100_000_000_000_000_000)),
            ("1e18", None),
            ("10.5", None),
            ("1e-1", None),
            ("15e-1", None),
            ("2147483647.0000000001", None),
            ("0.00000000000000000000000000000000000000001", None),
            ("1e999999999", None),
            ("1e-999999999", None),
            ("1e99999999999999999999", None),
        ] {
            assert_eq!(whole(text), value, "{text}");
        }
        assert_eq!(whole(&format!("{}.0", "9".repeat(400))), None);
        assert_eq!(whole(&format!("7.{}", "0".repeat(400))), Some(7));
    }

    #[test]
    fn numbers_are_found_between_texts_that_look_like_some() {
        let text = br#"{"1.5\"2": [-1, 2.50, "3e1\\", 4E+1], "5": 6}"#;
        let numbers = Numbers::of(text);
        numbers.pass();
        assert_eq!(numbers.take(), Some("2.50"));
        assert_eq!(numbers.take(), Some("4E+1"));
        numbers.pass();
        assert_eq!(numbers.take(), None);
    }

    proptest! {
        #[test]
        fn a_point_that_is_moved_and_moved_back_changes_nothing(
            value in 1_i64..1_000_000_000, shift in 0_usize..8,
        ) {
            let digits = value.to_string();
            let zeros = "0".repeat(shift);
            prop_assert_eq!(whole(&format!("{digits}{zeros}e-{shift}")), Some(value));
            prop_assert_eq!(whole(&format!("0.{digits}e{}", digits.len())), Some(value));
        }
    }
}
