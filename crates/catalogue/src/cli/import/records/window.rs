//! The bytes of the current record, between the file and the reader of the crate `csv`. Owns the count of
//! lines and bytes; knows nothing of fields.

use std::io::{self, BufRead, Read, Seek, SeekFrom};

use super::RECORD_BYTES_MAX;

/// The bytes that some editors put before a text. `csv` skips them at the beginning of what it reads: the
/// window puts a mark there itself, because the next record may begin with one that is a part of a field.
pub const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Hands a file over to a reader and keeps the bytes until they are passed. When the bytes that are not
/// passed yet are more than a record may have, the file seems to end; after a seek it goes on with them.
pub struct Window<R> {
    source: R,
    kept: Vec<u8>,
    /// The beginning of the current record in `kept`.
    begin: usize,
    /// The end of the bytes in `kept` that were handed over.
    handed_over: usize,
    /// Nothing was handed over since the last seek.
    is_fresh: bool,
    lines_passed: u64,
    bytes_passed: u64,
}

impl<R: BufRead> Window<R> {
    /// Skips the byte order mark of the file.
    pub fn new(mut source: R) -> io::Result<Self> {
        let mut kept = Vec::new();
        let mark_len = BYTE_ORDER_MARK.len() as u64;
        source.by_ref().take(mark_len).read_to_end(&mut kept)?;
        let mut window = Self {
            source,
            kept,
            begin: 0,
            handed_over: 0,
            is_fresh: true,
            lines_passed: 0,
            bytes_passed: 0,
        };
        if window.kept == BYTE_ORDER_MARK {
            window.pass(BYTE_ORDER_MARK.len());
            window.handed_over = window.begin;
        }
        Ok(window)
    }

    /// The next `len` bytes that are not passed.
    pub fn ahead(&self, len: usize) -> &[u8] {
        &self.kept[self.begin..self.begin + len]
    }

    /// The line of the next byte that is not passed, from 1.
    pub fn line(&self) -> u64 {
        self.lines_passed + 1
    }

    /// The number of bytes that are passed.
    pub fn bytes(&self) -> u64 {
        self.bytes_passed
    }

    /// Passes bytes and returns the line of the last of them.
    pub fn pass(&mut self, len: usize) -> u64 {
        let passed = self.ahead(len);
        let lines = passed.split(|byte| *byte == b'\n').count() as u64 - 1;
        let is_line_open = passed.last() != Some(&b'\n');
        self.begin += len;
        self.bytes_passed += len as u64;
        self.lines_passed += lines;
        self.lines_passed + u64::from(is_line_open)
    }

    /// Passes everything up to the end of the line that holds the byte at `at`, however long that line is,
    /// and returns the line.
    pub fn pass_line(&mut self, mut at: usize) -> io::Result<u64> {
        loop {
            let rest = &self.kept[self.begin + at..];
            if let Some(newline) = rest.iter().position(|byte| *byte == b'\n') {
                return Ok(self.pass(at + newline + 1));
            }
            let last_line = self.pass(at + rest.len());
            at = 0;
            if self.fill()? == 0 {
                return Ok(last_line);
            }
        }
    }

    /// Adds what the source has, in the place of what is passed.
    fn fill(&mut self) -> io::Result<usize> {
        self.kept.drain(..self.begin);
        self.handed_over = self.handed_over.saturating_sub(self.begin);
        self.begin = 0;
        let available = self.source.fill_buf()?;
        let len = available.len();
        self.kept.extend_from_slice(available);
        self.source.consume(len);
        Ok(len)
    }
}

impl<R: BufRead> Read for Window<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mark: &[u8] = if self.is_fresh { BYTE_ORDER_MARK } else { &[] };
        self.is_fresh = false;
        if self.handed_over == self.kept.len() {
            if self.kept.len() - self.begin > RECORD_BYTES_MAX {
                return Ok(0);
            }
            self.fill()?;
        }
        // In one piece, because csv takes a mark that comes alone for a whole file.
        let (for_mark, for_bytes) = buffer.split_at_mut(mark.len());
        for_mark.copy_from_slice(mark);
        let len = (&self.kept[self.handed_over..]).read(for_bytes)?;
        self.handed_over += len;
        Ok(mark.len() + len)
    }
}

impl<R> Seek for Window<R> {
    /// Goes to the first byte that is not passed, the one place there is to go to.
    fn seek(&mut self, _: SeekFrom) -> io::Result<u64> {
        self.handed_over = self.begin;
        self.is_fresh = true;
        Ok(self.bytes_passed)
    }
}
