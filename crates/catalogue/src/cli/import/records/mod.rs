//! Cuts a file into records, each with the line on which it begins. No more than one record is held in
//! memory, and the length of a record is limited.
//!
//! The crate `csv` finds where a record ends and what its fields say. It is lenient, and would read an
//! open quote to the end of the file; two pieces here make it strict. [`window`] ends a record that is too
//! long, and keeps the bytes of the record as they are in the file. [`quotes`] compares these bytes with
//! the fields, so that nothing that `csv` drops or reads in its own way is lost without an error.

mod quotes;
#[cfg(test)]
mod tests;
mod window;

use std::io::{self, BufRead, SeekFrom};

use csv::{ByteRecord, Position, Reader, ReaderBuilder, StringRecord, Terminator};

use super::source::FileFormat;

use self::{
    quotes::Misquoted,
    window::{BYTE_ORDER_MARK, Window},
};

/// The longest record, in bytes. The longest that could be accepted is a tenth of it.
pub const RECORD_BYTES_MAX: usize = 64 * 1024;

/// One record as it is in the file, without its line ending.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// The line on which it begins, from 1.
    pub line: u64,
    pub text: Result<String, Unreadable>,
    /// The fields of a readable record of CSV.
    pub fields: StringRecord,
}

/// The reason why a record can't be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// Also the usual result of a quote that is left open.
    #[error(
        "is longer than {RECORD_BYTES_MAX} bytes and was skipped up to the end of line {last_line}; \
         is a quote left open?"
    )]
    TooLong { last_line: u64 },
    /// The file ends inside quotes.
    #[error("opens a quote that is never closed; the rest of the file was skipped")]
    OpenQuote,
    /// There is text before or after a quoted field.
    #[error(
        "has a quote where none may be, on line {last_line}: a field that contains a quote must begin and \
         end with one, and double those in between, as in \"12\"\" pipe\"; it was skipped up to the end of \
         that line"
    )]
    StrayQuote { last_line: u64 },
    #[error("is not UTF-8 text; save the file as UTF-8")]
    NotUtf8,
}

/// The records of a file. Empty lines are skipped, and so is a byte order mark at the beginning.
pub struct Records<R> {
    reader: Reader<Window<R>>,
    format: FileFormat,
    /// The fields of the current record, to use their memory again.
    fields: ByteRecord,
}

impl<R: BufRead> Records<R> {
    pub fn new(source: R, format: FileFormat) -> io::Result<Self> {
        let mut builder = ReaderBuilder::new();
        builder
            .has_headers(false)
            .flexible(true)
            // A single carriage return is a letter like others.
            .terminator(Terminator::Any(b'\n'))
            // A line of JSON is a record, whatever is in it.
            .quoting(format == FileFormat::Csv);
        Ok(Self {
            reader: builder.from_reader(Window::new(source)?),
            format,
            fields: ByteRecord::new(),
        })
    }

    /// The number of bytes read so far.
    pub fn bytes(&self) -> u64 {
        self.reader.get_ref().bytes()
    }

    /// The next record; `None` at the end.
    ///
    /// # Errors
    /// The file can't be read on.
    pub fn next(&mut self) -> io::Result<Option<Record>> {
        loop {
            let len = self.read_on()?;
            let window = self.reader.get_mut();
            // The reader counts the empty lines before a record as a part of it.
            let empty_lines = leading(window.ahead(len), b"\n");
            window.pass(empty_lines);
            if empty_lines > 0 && len > RECORD_BYTES_MAX {
                self.read_again()?;
                continue;
            }
            let len = len - empty_lines;
            if len == 0 {
                return Ok(None);
            }
            if let Some(record) = self.take(len)? {
                return Ok(Some(record));
            }
        }
    }

    /// Makes the reader go on to the end of a record and returns the number of bytes up to there.
    fn read_on(&mut self) -> io::Result<usize> {
        let begin = match self.reader.position().byte() {
            0 => BYTE_ORDER_MARK.len() as u64,
            begin => begin,
        };
        self.reader.read_byte_record(&mut self.fields)?;
        let len = self.reader.position().byte() - begin;
        usize::try_from(len).map_err(io::Error::other)
    }

    /// Takes the record that the reader has read: `len` bytes. `None` if it is an empty line.
    fn take(&mut self, len: usize) -> io::Result<Option<Record>> {
        let window = self.reader.get_mut();
        let bytes = window.ahead(len);
        let text_len = len - trailing(bytes, b"\r\n");
        let (text, line_end) = bytes.split_at(text_len);
        if text.is_empty() && len <= RECORD_BYTES_MAX {
            window.pass(len);
            return Ok(None);
        }
        let quoting = match self.format {
            FileFormat::Csv => {
                drop_returns(&mut self.fields, line_end);
                quotes::check(text, &self.fields)
            }
            FileFormat::Ndjson => Ok(()),
        };
        // A record with a stray quote ends with the line of the quote, whatever the reader made of it.
        let end = match quoting {
            Err(Misquoted::Stray { at }) => line_end_after(bytes, at),
            _ => len,
        };
        let text = text.to_vec();
        let line = window.line();
        let text = if end > RECORD_BYTES_MAX {
            let last_line = window.pass_line(RECORD_BYTES_MAX)?;
            Err(Unreadable::TooLong { last_line })
        } else {
            let last_line = window.pass(end);
            match quoting {
                Err(Misquoted::Stray { .. }) => Err(Unreadable::StrayQuote { last_line }),
                Err(Misquoted::Open) => Err(Unreadable::OpenQuote),
                Ok(()) => String::from_utf8(text).map_err(|_| Unreadable::NotUtf8),
            }
        };
        if end != len || end > RECORD_BYTES_MAX {
            self.read_again()?;
        }
        let fields = match (self.format, &text) {
            // Nothing is lost: the text is UTF-8.
            (FileFormat::Csv, Ok(_)) => StringRecord::from_byte_record_lossy(self.fields.clone()),
            _ => StringRecord::new(),
        };
        Ok(Some(Record { line, text, fields }))
    }

    /// Makes the reader forget what it has read ahead and begin with the next byte of the window.
    fn read_again(&mut self) -> io::Result<()> {
        self.reader
            .seek_raw(SeekFrom::Current(0), Position::new())?;
        Ok(())
    }
}

/// Carriage returns at the end of a line belong to no field, but the reader leaves them in the last.
fn drop_returns(fields: &mut ByteRecord, line_end: &[u8]) {
    let returns = line_end.split(|byte| *byte == b'\r').count() - 1;
    let Some(last) = fields.len().checked_sub(1).filter(|_| returns > 0) else {
        return;
    };
    let field = &fields[last];
    let field = field[..field.len().saturating_sub(returns)].to_vec();
    fields.truncate(last);
    fields.push_field(&field);
}

/// The index behind the end of the line that holds the byte at `at`.
fn line_end_after(bytes: &[u8], at: usize) -> usize {
    let rest = bytes[at..].iter().position(|byte| *byte == b'\n');
    rest.map_or(bytes.len(), |newline| at + newline + 1)
}

fn leading(bytes: &[u8], set: &[u8]) -> usize {
    bytes.iter().take_while(|byte| set.contains(byte)).count()
}

fn trailing(bytes: &[u8], set: &[u8]) -> usize {
    let from_the_end = bytes.iter().rev();
    from_the_end.take_while(|byte| set.contains(byte)).count()
}
