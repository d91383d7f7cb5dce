//! The lines, texts and fields of records, and the records that are refused.

use super::{
    super::source::FileFormat::{Csv, Ndjson},
    *,
};

fn read(text: &[u8], format: FileFormat) -> Vec<(u64, Result<String, Unreadable>)> {
    let mut records = Records::new(text, format).unwrap();
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
        assert_eq!(read(text.as_bytes(), Ndjson), expected, "{text:?}");
    }
    assert_eq!(read(b"", Ndjson), []);
    assert_eq!(read(b"\n\n", Ndjson), []);
}

#[test]
fn a_quoted_field_may_have_lines() {
    let text = b"a,\"x\ny \"\"z\"\"\"\nb,c\n";
    let expected = [ok(1, "a,\"x\ny \"\"z\"\"\""), ok(3, "b,c")];
    assert_eq!(read(text, Csv), expected);
}

#[test]
fn text_beside_quotes_is_refused_wherever_it_is() {
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
        let records = read(file.as_bytes(), Csv);
        let stray = Err(Unreadable::StrayQuote { last_line: 1 });
        assert_eq!(records, [(1, stray), ok(2, "b,c")], "{text}");
    }
}

/// Two quotes that were left open look like one field with what is between them.
#[test]
fn no_row_between_stray_quotes_is_lost_without_an_error() {
    let text = b"a,\"24\nb,5\nc,\"6\nd,7\n";
    let stray = Err(Unreadable::StrayQuote { last_line: 3 });
    let expected = [(1, stray), ok(4, "d,7")];
    assert_eq!(read(text, Csv), expected);
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
            let records = read(file.as_bytes(), Csv);
            assert_eq!(records, [ok(1, text)], "{file:?}");
        }
    }
}

#[test]
fn a_byte_order_mark_may_come_in_pieces_and_before_quotes() {
    let text = b"\xef\xbb\xbf\"a\nb\",c\nd\n";
    let reader = io::BufReader::with_capacity(1, &text[..]);
    let mut records = Records::new(reader, Csv).unwrap();
    let first = records.next().unwrap().unwrap();
    assert_eq!((first.line, first.text), ok(1, "\"a\nb\",c"));
    let second = records.next().unwrap().unwrap();
    assert_eq!((second.line, second.text), ok(3, "d"));
}

#[test]
fn a_file_that_ends_inside_quotes_is_refused_there() {
    let records = read(b"a\n\"b\nc\n", Csv);
    assert_eq!(records, [ok(1, "a"), (2, Err(Unreadable::OpenQuote))]);
    assert_eq!(read(b"\"b\n", Ndjson), [ok(1, "\"b")]);
}

#[test]
fn the_longest_record_fits_and_one_more_byte_does_not() {
    for (len, fits) in [(RECORD_BYTES_MAX - 1, true), (RECORD_BYTES_MAX, false)] {
        let text = format!("{}\nb\n", "x".repeat(len));
        let records = read(text.as_bytes(), Csv);
        assert_eq!(records[0].1.is_ok(), fits, "{len}");
        assert_eq!(records[1], ok(2, "b"));
    }
}

#[test]
fn an_open_quote_does_not_swallow_the_file() {
    let text = format!("\"a\n{}", "b\n".repeat(RECORD_BYTES_MAX));
    let records = read(text.as_bytes(), Csv);
    let (1, Err(Unreadable::TooLong { last_line })) = records[0] else {
        panic!("{:?}", records[0]);
    };
    assert_eq!(records[1], ok(last_line + 1, "b"));
}

#[test]
fn a_record_that_is_not_utf8_is_refused_alone() {
    let records = read(b"a\n\xff\nb\n", Ndjson);
    assert_eq!(
        records,
        [ok(1, "a"), (2, Err(Unreadable::NotUtf8)), ok(3, "b")]
    );
}

/// The fields of each record.
fn fields(text: &str) -> Vec<Vec<String>> {
    let mut records = Records::new(text.as_bytes(), Csv).unwrap();
    let mut all = Vec::new();
    while let Some(record) = records.next().unwrap() {
        all.push(record.fields.iter().map(str::to_owned).collect());
    }
    all
}

#[test]
fn a_record_of_csv_has_its_fields() {
    for (text, expected) in [
        ("a,b", vec!["a", "b"]),
        ("a,", vec!["a", ""]),
        ("a", vec!["a"]),
        (",", vec!["", ""]),
        ("a\rb,c", vec!["a\rb", "c"]),
        ("\"\"", vec![""]),
        ("é,\"é\"", vec!["é", "é"]),
        ("\"a,\r\n\"\"b\"\"\",c", vec!["a,\r\n\"b\"", "c"]),
        ("a,\"b\r\"", vec!["a", "b\r"]),
    ] {
        for end in ["", "\n", "\r\n", "\r"] {
            assert_eq!(
                fields(&format!("{text}{end}")),
                [&expected[..]],
                "{text:?}{end:?}"
            );
        }
    }
}

#[test]
fn a_byte_order_mark_inside_a_file_is_kept() {
    let stray = "a\"b,\"c\nd\n";
    for before in ["x\n", "\u{feff}", stray] {
        let text = format!("{before}\u{feff}a,b\n\u{feff},\u{feff}\n");
        let all = fields(&text);
        let last_two = &all[all.len() - 2..];
        let expected = [["\u{feff}a", "b"], ["\u{feff}", "\u{feff}"]];
        assert_eq!(last_two, expected, "{before:?}");
    }
}

/// The reader reads on to the quote's end; the records in between are cut again.
#[test]
fn records_behind_a_stray_quote_are_not_swallowed_by_an_open_one() {
    let records = read(b"x\"y,\"z\nb,c\nd,\"e\"\n", Csv);
    let stray = Err(Unreadable::StrayQuote { last_line: 1 });
    assert_eq!(records, [(1, stray), ok(2, "b,c"), ok(3, "d,\"e\"")]);
}

#[test]
fn empty_lines_have_no_maximum() {
    let empty = "\n".repeat(3 * RECORD_BYTES_MAX + 1);
    let longest = "x".repeat(RECORD_BYTES_MAX - 1);
    let text = format!("{empty}{longest}\n{empty}b\n{empty}");
    let begin = empty.len() as u64;
    let expected = [ok(begin + 1, &longest), ok(2 * begin + 2, "b")];
    assert_eq!(read(text.as_bytes(), Csv), expected);
}
