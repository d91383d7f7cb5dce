//! Files that nobody would write, or nearly right ones: nothing in them is passed over in silence. Fuzzing
//! of what is private here, with the support and the corpora of `tests/fuzz`.

use std::path::PathBuf;

use ::csv::StringRecord;
use serde_json::{Value, value::RawValue};
use uuid::Uuid;

use super::{
    FileFormat,
    json_object::JsonObject,
    records::{Record, Records, Unreadable},
    rows::RowReader,
    source::Source,
};
use crate::{
    db::{bulk::CopyText, import::Line},
    import_rules::{Kind, Row},
};

#[path = "../../../../../tests/fuzz/support.rs"]
mod fuzz_support;

mod csv {
    use super::fuzz_support::{self, fuzz};

    const WORDS: &[&str] = &[
        "\"",
        "\"\"",
        ",",
        "\n",
        "\r\n",
        "\r",
        "\u{feff}",
        "\0",
        "\\N",
        "\\.",
        "id",
        "email",
        "sku",
        "a,b\n",
        "product_id",
        "available_qty",
        "vendor_store_id",
        "01980c5e-0000-7000-8000-000000000001",
        "é",
    ];

    fuzz!("csv", WORDS, super::check_csv);
}

mod ndjson {
    use super::fuzz_support::{self, fuzz};

    const WORDS: &[&str] = &[
        "{",
        "}",
        "[",
        "]",
        ":",
        ",",
        "\"",
        "\n",
        "\r",
        "null",
        "{\"id\":",
        "\"email\":",
        "\"price\":1.50",
        "\\u0000",
        "\\ud800",
        "\u{feff}",
        "\"a\\\"b\"",
        "\"starts_at\":\"1900-01-01T00:00:00+14:00\"",
    ];

    fuzz!("ndjson", WORDS, super::check_ndjson);
}

/// The number of rows of an input that are read as each kind: more of the same show nothing new.
const ROWS_MAX: usize = 50;

fn check_csv(bytes: &[u8]) {
    let records = all(bytes, FileFormat::Csv);
    let Some((header, rows)) = records.split_first() else {
        return;
    };
    for record in &records {
        let Ok(text) = &record.text else {
            continue;
        };
        let fields = fields_of(text).expect("text beside quotes is refused when records are cut");
        assert_eq!(record.fields, fields, "{text:?}");
    }
    check_rows(FileFormat::Csv, Some(header), rows);
}

fn check_ndjson(bytes: &[u8]) {
    check_rows(FileFormat::Ndjson, None, &all(bytes, FileFormat::Ndjson));
}

/// All records. Every line that is not empty is a part of one, or is reported as skipped.
fn all(bytes: &[u8], format: FileFormat) -> Vec<Record> {
    let mut reader = Records::new(bytes, format).unwrap();
    let mut records = Vec::new();
    while let Some(record) = reader.next().unwrap() {
        records.push(record);
    }
    assert_eq!(reader.bytes(), bytes.len() as u64);
    let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let lines: Vec<_> = text.split(|byte| *byte == b'\n').collect();
    let place = |line: u64| usize::try_from(line).unwrap() - 1;
    let mut at = 0;
    for (index, record) in records.iter().enumerate() {
        let begin = place(record.line);
        assert_empty(&lines[at..begin]);
        let next = records
            .get(index + 1)
            .map_or(lines.len(), |next| place(next.line));
        at = match &record.text {
            Ok(text) => {
                let end = begin + text.matches('\n').count() + 1;
                let stood = lines[begin..end].join(&b'\n');
                let line_end = stood
                    .iter()
                    .rev()
                    .take_while(|byte| **byte == b'\r')
                    .count();
                assert_eq!(&stood[..stood.len() - line_end], text.as_bytes());
                end
            }
            Err(Unreadable::TooLong { last_line }) => place(last_line + 1),
            Err(Unreadable::NotUtf8) if format == FileFormat::Ndjson => begin + 1,
            Err(_) => next,
        };
    }
    assert_empty(&lines[at..]);
    records
}

fn assert_empty(lines: &[&[u8]]) {
    for line in lines {
        assert!(
            line.iter().all(|byte| *byte == b'\r'),
            "swallowed: {:?}",
            line.escape_ascii().to_string()
        );
    }
}

/// Every record becomes a row or a reported problem that the database can store, and a row that is handed
/// back for repair reads as it did.
fn check_rows(format: FileFormat, header: Option<&Record>, records: &[Record]) {
    for kind in Kind::ALL {
        let of = |format| Source {
            path: PathBuf::from("-"),
            kind,
            format,
        };
        let Ok(rows) = RowReader::of(&of(format), header) else {
            continue;
        };
        let again = RowReader::of(&of(FileFormat::Ndjson), None).unwrap();
        for record in records.iter().take(ROWS_MAX) {
            let row = rows.read(record);
            assert!(record.text.is_ok() || !row.problems.is_empty());
            assert_all_reported(kind, format, record, &row);
            let original = rows.as_json(record);
            assert_eq!(original.is_some(), record.text.is_ok());
            assert_is_line(kind, record, &row, original.as_deref());
            let Some(json) = original else {
                continue;
            };
            // As it goes into the file of refused rows.
            serde_json::from_str::<&RawValue>(&json).unwrap();
            let is_object = json.trim_start().starts_with('{');
            if is_object {
                let text = Ok(json);
                let record = Record {
                    line: record.line,
                    text,
                    fields: StringRecord::new(),
                };
                assert_eq!(again.read(&record), row);
            } else if format == FileFormat::Csv {
                let text: Value = serde_json::from_str(&json).unwrap();
                assert_eq!(text.as_str(), record.text.as_deref().ok());
                assert!(!row.problems.is_empty());
            }
        }
    }
}

/// Every member of an object belongs to a column, or is reported.
fn assert_all_reported(kind: Kind, format: FileFormat, record: &Record, row: &Row) {
    let object = record.text.as_deref().ok().map(serde_json::from_str);
    let (FileFormat::Ndjson, Some(Ok(JsonObject(members)))) = (format, object) else {
        return;
    };
    let is_odd = |(index, (name, _)): &(usize, &(String, _))| {
        let stood: &[(String, _)] = &members[..*index];
        kind.spec().position(name).is_none() || stood.iter().any(|(earlier, _)| earlier == name)
    };
    let odd = members.iter().enumerate().filter(is_odd).count();
    assert!(
        row.problems.len() >= odd,
        "{} of {odd} are reported",
        row.problems.len()
    );
}

fn assert_is_line(kind: Kind, record: &Record, row: &Row, original: Option<&str>) {
    assert_eq!(row.values.len(), kind.spec().columns.len());
    let mut text = CopyText::with_capacity(0);
    let line = Line {
        number: record.line,
        text: original,
        row,
        new_id: Uuid::nil(),
    };
    line.encode(kind, &mut text);
    let bytes = text.as_bytes();
    assert!(!bytes.contains(&0), "PostgreSQL can't keep a NUL");
    let ends = bytes.split(|byte| *byte == b'\n').count();
    assert_eq!(ends, 2, "one line");
    let problems = serde_json::to_string(&row.problems).unwrap();
    assert!(
        !problems.replace(r"\\", "").contains(r"\u0000"),
        "nor in JSON: {problems}"
    );
}

/// By hand, as strictly as RFC 4180 is written: none if there is text beside quotes.
fn fields_of(record: &str) -> Option<Vec<String>> {
    let mut fields = Vec::new();
    let mut rest = record;
    loop {
        let (field, behind) = if let Some(quoted) = rest.strip_prefix('"') {
            quoted_field(quoted)?
        } else {
            let end = rest.find(',').unwrap_or(rest.len());
            let plain = &rest[..end];
            if plain.contains(['"', '\n']) {
                return None;
            }
            (plain.to_owned(), &rest[end..])
        };
        fields.push(field);
        if behind.is_empty() {
            return Some(fields);
        }
        rest = behind.strip_prefix(',')?;
    }
}

fn quoted_field(mut rest: &str) -> Option<(String, &str)> {
    let mut field = String::new();
    loop {
        let (piece, behind) = rest.split_once('"')?;
        field.push_str(piece);
        let Some(more) = behind.strip_prefix('"') else {
            return Some((field, behind));
        };
        field.push('"');
        rest = more;
    }
}
