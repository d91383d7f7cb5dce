//! Checks that a record of CSV is quoted as RFC 4180 says: text beside quotes is refused, because nobody
//! can know whether it is a part of the field, or whether the quote is.

use csv::ByteRecord;

/// The rule that the quotes of a record break.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Misquoted {
    /// There is a quote where none may be.
    Stray { at: usize },
    /// The last quote is never closed.
    Open,
}

/// Compares a record with its fields: each must be there as it is, or between quotes with its own
/// quotes doubled.
pub fn check(record: &[u8], fields: &ByteRecord) -> Result<(), Misquoted> {
    match rest_behind(record, fields) {
        Ok([]) => Ok(()),
        Err([]) => Err(Misquoted::Open),
        Ok(rest) | Err(rest) => Err(Misquoted::Stray {
            at: record.len() - rest.len(),
        }),
    }
}

/// The rest of a record behind its part that agrees with the fields.
type Rest<'a> = Result<&'a [u8], &'a [u8]>;

fn rest_behind<'a>(record: &'a [u8], fields: &ByteRecord) -> Rest<'a> {
    let mut rest = record;
    for (index, field) in fields.iter().enumerate() {
        if index > 0 {
            rest = behind(rest, b",")?;
        }
        rest = match rest.strip_prefix(b"\"") {
            Some(rest) => behind_quoted(rest, field)?,
            None => behind_plain(rest, field)?,
        };
    }
    Ok(rest)
}

fn behind_plain<'a>(rest: &'a [u8], field: &[u8]) -> Rest<'a> {
    match field.iter().position(|byte| *byte == b'"') {
        Some(quote) => Err(rest.get(quote..).unwrap_or_default()),
        None => behind(rest, field),
    }
}

fn behind_quoted<'a>(mut rest: &'a [u8], field: &[u8]) -> Rest<'a> {
    for piece in field.split_inclusive(|byte| *byte == b'"') {
        rest = behind(rest, piece)?;
        if piece.ends_with(b"\"") {
            rest = behind(rest, b"\"")?;
        }
    }
    behind(rest, b"\"")
}

fn behind<'a>(rest: &'a [u8], expected: &[u8]) -> Rest<'a> {
    let both = rest.iter().zip(expected);
    let same = both.take_while(|(one, other)| one == other).count();
    if same == expected.len() {
        Ok(&rest[same..])
    } else {
        Err(&rest[same..])
    }
}
