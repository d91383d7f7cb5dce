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

/// Why a record can't be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// It is too long; also what a quote that is left open looks like.
    #[error(
        "is longer than {RECORD_BYTES_MAX} bytes and was skipped up to the end of line {last_line}; \
         is a quote left open?"
    )]
    TooLong {
        /// The line on which it was given up.
        last_line: u64,
    },
    /// The file ends inside quotes.
    #[error("opens a quote that is never closed; what is behind it was skipped")]
    OpenQuote,
    /// There is text before or behind a quoted field.
    #[error(
        "has a quote where none may be, on line {last_line}: a field with a quote in it must begin and end \
         with one, and double those in between, as in \"12\"\" pipe\"; it was skipped up to the end of that \
         line"
    )]
    StrayQuote {
        /// The line on which it is.
        last_line: u64,
    },
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

/// What some editors put before a text.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// The records of a file. Empty lines are none.
pub struct Records<R> {
    reader: R,
    breaks: Breaks,
    line: u64,
    bytes: u64,
}

impl<R: BufRead> Records<R> {
    /// From its beginning; a byte order mark is skipped.
    pub fn of(reader: R, breaks: Breaks) -> Self {
        Self {
            reader,
            breaks,
            line: 0,
            bytes: 0,
        }
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
            let mut place = Place::FieldStart;
            loop {
                let begin = bytes.len();
                if !self.read_line(&mut bytes, &mut fits)? {
                    break;
                }
                if self.line == 1 && bytes.starts_with(BYTE_ORDER_MARK) {
                    bytes.drain(..BYTE_ORDER_MARK.len());
                }
                if !fits || self.breaks == Breaks::Never {
                    break;
                }
                place = bytes[begin..].iter().copied().fold(place, Place::after);
                if place != Place::Quotes {
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
            let last_line = self.line;
            let text = match (fits, place) {
                (false, _) => Err(Unreadable::TooLong { last_line }),
                (true, Place::Quotes) => Err(Unreadable::OpenQuote),
                (true, Place::Stray) => Err(Unreadable::StrayQuote { last_line }),
                (true, _) => String::from_utf8(bytes).map_err(|_| Unreadable::NotUtf8),
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

/// A place in a record of CSV (RFC 4180). What is beside quotes is refused: nobody can know whether it is
/// a part of the field, or whether the quote is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    FieldStart,
    Plain,
    Quotes,
    /// Behind a quote that ends them, or is half of a doubled one.
    QuoteInQuotes,
    /// Behind a quote that ends them and a carriage return, which only a line's end may follow.
    ReturnBehindQuotes,
    /// Behind a quote where none may be; up to the end of the line.
    Stray,
}

impl Place {
    fn after(self, byte: u8) -> Self {
        match (self, byte) {
            (Self::Quotes, b'"') => Self::QuoteInQuotes,
            (Self::Quotes, _) | (Self::FieldStart | Self::QuoteInQuotes, b'"') => Self::Quotes,
            (Self::FieldStart | Self::Plain | Self::QuoteInQuotes, b',') => Self::FieldStart,
            (Self::QuoteInQuotes, b'\r') => Self::ReturnBehindQuotes,
            // What is left is an end of a line, or a letter of a plain field.
            (Self::QuoteInQuotes | Self::ReturnBehindQuotes, b'\n') | (Self::FieldStart, _) => {
                Self::Plain
            }
            (Self::Plain, letter) if letter != b'"' => Self::Plain,
            _ => Self::Stray,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &[u8], breaks: Breaks) -> Vec<(u64, Result<String, Unreadable>)> {
        let mut records = Records::of(text, breaks);
        let mut all = Vec::new();
        while let Some(record) = records.next().unwrap() {
            all.push((record.line, record.text));
        }
        assert_eq!(records.bytes(), text.len() as u64);
        all
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
    fn text_beside_quotes_is_refused_wherever_it_stands() {
        for text in [
            "a,\"24\"01",
            "\"24\"01,a",
            "a,\"24\" ",
            "a, \"24\"",
            "a,b\"24\"",
            "12\" pipe,a",
            "a,\"24\"\r01",
            "a,\"2\"\"4\"\"\"x",
            "a,\"\"0",
        ] {
            let file = format!("{text}\nb,c\n");
            let records = read(file.as_bytes(), Breaks::InsideQuotes);
            let stray = Err(Unreadable::StrayQuote { last_line: 1 });
            assert_eq!(records, [(1, stray), ok(2, "b,c")], "{text}");
        }
    }

    /// Two quotes that were left open look like one field with what is between them.
    #[test]
    fn no_row_between_stray_quotes_is_passed_over_in_silence() {
        let text = b"a,\"24\nb,5\nc,\"6\nd,7\n";
        let stray = Err(Unreadable::StrayQuote { last_line: 3 });
        let expected = [(1, stray), ok(4, "d,7")];
        assert_eq!(read(text, Breaks::InsideQuotes), expected);
    }

    #[test]
    fn quotes_in_quotes_and_line_ends_behind_them_are_fine() {
        for text in [
            "\"a\"\"\",b",
            "\"\",\"\"",
            "a,\"b,\r\nc\"",
            "\"\"\"\",\"\"\"a\"",
        ] {
            for end in ["\n", "\r\n", "", "\r"] {
                let file = format!("{text}{end}");
                let records = read(file.as_bytes(), Breaks::InsideQuotes);
                assert_eq!(records, [ok(1, text)], "{file:?}");
            }
        }
    }

    #[test]
    fn a_byte_order_mark_may_come_in_pieces_and_stand_before_quotes() {
        let text = b"\xef\xbb\xbf\"a\nb\",c\nd\n";
        let reader = io::BufReader::with_capacity(1, &text[..]);
        let mut records = Records::of(reader, Breaks::InsideQuotes);
        let first = records.next().unwrap().unwrap();
        assert_eq!((first.line, first.text), ok(1, "\"a\nb\",c"));
        let second = records.next().unwrap().unwrap();
        assert_eq!((second.line, second.text), ok(3, "d"));
    }

    #[test]
    fn a_file_that_ends_inside_quotes_is_refused_there() {
        let records = read(b"a\n\"b\nc\n", Breaks::InsideQuotes);
        assert_eq!(records, [ok(1, "a"), (2, Err(Unreadable::OpenQuote))]);
        assert_eq!(read(b"\"b\n", Breaks::Never), [ok(1, "\"b")]);
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
        let (1, Err(Unreadable::TooLong { last_line })) = records[0] else {
            panic!("{:?}", records[0]);
        };
        assert_eq!(records[1], ok(last_line + 1, "b"));
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
