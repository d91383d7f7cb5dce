//! Cuts a file into records, each with the line on which it begins. Nothing longer than a record is
//! ever held in memory, and a record has a maximum.

use std::io::{self, BufRead};

/// The longest record, in bytes. The longest that could be accepted is a tenth of it.
pub const RECORD_BYTES_MAX: usize = 64 * 1024;

/// One record as it stands in the file, without its line ending.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// The line on which it begins, from 1.
    pub line: u64,
    /// Its text, or why there is none.
    pub text: Result<String, Unreadable>,
}

/// Why a record is not even text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// It is too long; also what an unclosed quote looks like.
    #[error("is longer than {RECORD_BYTES_MAX} bytes; is a quote left open?")]
    TooLong,
    /// It is not UTF-8.
    #[error("is no UTF-8 text; save the file as UTF-8")]
    NotUtf8,
}

/// Whether a record may go on on the next line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Breaks {
    /// It may, inside quotes.
    InsideQuotes,
    /// A line is a record.
    Never,
}

/// The records of a file. Empty lines are none.
pub struct Records<R> {
    reader: R,
    breaks: Breaks,
    line: u64,
    bytes: u64,
}

impl<R: BufRead> Records<R> {
    /// From its beginning; a byte order mark is skipped.
    ///
    /// # Errors
    /// The file can't be read.
    pub fn of(mut reader: R, breaks: Breaks) -> io::Result<Self> {
        const MARK: &[u8] = b"\xef\xbb\xbf";
        if reader.fill_buf()?.starts_with(MARK) {
            reader.consume(MARK.len());
        }
        Ok(Self {
            reader,
            breaks,
            line: 0,
            bytes: 0,
        })
    }

    /// How many bytes were read so far.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The next record; `None` at the end.
    ///
    /// # Errors
    /// The file can't be read on.
    pub fn next(&mut self) -> io::Result<Option<Record>> {
        loop {
            let line = self.line + 1;
            let mut bytes = Vec::new();
            let mut fits = true;
            while self.read_line(&mut bytes, &mut fits)? {
                if !fits || self.breaks == Breaks::Never || quotes_are_closed(&bytes) {
                    break;
                }
            }
            if self.line < line {
                return Ok(None);
            }
            while let Some(b'\n' | b'\r') = bytes.last() {
                bytes.pop();
            }
            if fits && bytes.is_empty() {
                continue;
            }
            let text = if fits {
                String::from_utf8(bytes).map_err(|_| Unreadable::NotUtf8)
            } else {
                Err(Unreadable::TooLong)
            };
            return Ok(Some(Record { line, text }));
        }
    }

    /// Adds a line to what there is of a record; what does not fit is skipped. False at the end.
    fn read_line(&mut self, bytes: &mut Vec<u8>, fits: &mut bool) -> io::Result<bool> {
        let mut began = false;
        loop {
            let available = self.reader.fill_buf()?;
            if available.is_empty() {
                self.line += u64::from(began);
                return Ok(began);
            }
            began = true;
            let end = available.iter().position(|byte| *byte == b'\n');
            let len = end.map_or(available.len(), |end| end + 1);
            *fits &= bytes.len() + len <= RECORD_BYTES_MAX;
            if *fits {
                bytes.extend_from_slice(&available[..len]);
            }
            self.reader.consume(len);
            self.bytes += len as u64;
            if end.is_some() {
                self.line += 1;
                return Ok(true);
            }
        }
    }
}

/// Whether a record does not end inside quotes. Only at the beginning of a field does a quote open
/// one, and inside of it a quote is doubled (RFC 4180): that of `3.5" pipe` is a letter like others.
fn quotes_are_closed(record: &[u8]) -> bool {
    let (mut is_quoted, mut is_at_start) = (false, true);
    for byte in record {
        match byte {
            // Of a doubled one the second opens again what the first has closed.
            b'"' if is_quoted => (is_quoted, is_at_start) = (false, true),
            b'"' if is_at_start => is_quoted = true,
            b',' if !is_quoted => is_at_start = true,
            _ => is_at_start = false,
        }
    }
    !is_quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &[u8], breaks: Breaks) -> Vec<(u64, Result<String, Unreadable>)> {
        let mut records = Records::of(text, breaks).unwrap();
        let mut all = Vec::new();
        while let Some(record) = records.next().unwrap() {
            all.push((record.line, record.text));
        }
        assert_eq!(records.bytes(), (text.len() - mark(text)) as u64);
        all
    }

    fn mark(text: &[u8]) -> usize {
        if text.starts_with(b"\xef\xbb\xbf") {
            3
        } else {
            0
        }
    }

    fn ok(line: u64, text: &str) -> (u64, Result<String, Unreadable>) {
        (line, Ok(text.to_owned()))
    }

    #[test]
    fn lines_are_counted_whatever_ends_them() {
        let expected = [ok(1, "a"), ok(3, "b"), ok(4, "c")];
        for text in ["a\n\nb\nc", "a\r\n\r\nb\r\nc\r\n", "\u{feff}a\n\nb\nc\n"] {
            assert_eq!(read(text.as_bytes(), Breaks::Never), expected, "{text:?}");
        }
        assert_eq!(read(b"", Breaks::Never), []);
        assert_eq!(read(b"\n\n", Breaks::Never), []);
    }

    #[test]
    fn a_quoted_field_may_have_lines() {
        let text = b"a,\"x\ny \"\"z\"\"\"\nb,c\n";
        let expected = [ok(1, "a,\"x\ny \"\"z\"\"\""), ok(3, "b,c")];
        assert_eq!(read(text, Breaks::InsideQuotes), expected);
    }

    #[test]
    fn a_quote_in_the_middle_of_a_field_is_a_letter() {
        for (text, lines) in [
            ("a,3.5\" pipe\nb,c\n", 2),
            ("a,\"3.5\"\" pipe\"\nb,c\n", 2),
            ("a,\"\",\"\"\nb\n", 2),
            ("\"a\"x,b\nc\n", 2),
            ("a,\"b\nc\",d\n", 1),
            ("\"\"\"\n\"\"\",x\n", 1),
        ] {
            let records = read(text.as_bytes(), Breaks::InsideQuotes);
            assert_eq!(records.len(), lines, "{text:?}");
        }
    }

    #[test]
    fn the_longest_record_fits_and_one_more_byte_does_not() {
        for (len, fits) in [(RECORD_BYTES_MAX - 1, true), (RECORD_BYTES_MAX, false)] {
            let text = format!("{}\nb\n", "x".repeat(len));
            let records = read(text.as_bytes(), Breaks::InsideQuotes);
            assert_eq!(records[0].1.is_ok(), fits, "{len}");
            assert_eq!(records[1], ok(2, "b"));
        }
    }

    #[test]
    fn an_open_quote_does_not_swallow_the_file() {
        let text = format!("\"a\n{}", "b\n".repeat(RECORD_BYTES_MAX));
        let records = read(text.as_bytes(), Breaks::InsideQuotes);
        assert_eq!(records[0], (1, Err(Unreadable::TooLong)));
        assert!(records.len() > 1);
    }

    #[test]
    fn what_is_no_text_is_refused_alone() {
        let records = read(b"a\n\xff\nb\n", Breaks::Never);
        assert_eq!(
            records,
            [ok(1, "a"), (2, Err(Unreadable::NotUtf8)), ok(3, "b")]
        );
    }
}
