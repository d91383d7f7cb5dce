//! The fields that each format takes, and the rows made of them.

use crate::import_rules::{Cell, Format, Kind, Need, Problem, Row, read_row};

/// The value for the database, or `None` if the field is refused.
fn read(format: Format, text: &str) -> Option<String> {
    format.read(text).ok().map(Into::into)
}

#[test]
fn a_field_is_understood_up_to_the_limits_of_its_format_and_not_beyond() {
    let quantity = Format::Quantity { least: 1 };
    let long = "é".repeat(100);
    for (format, good, bad) in [
        (
            Format::Id,
            &["0195a000-0000-7000-8000-000000000301"][..],
            &["", "0195a000", "0195a000-0000-7000-8000-00000000030g"][..],
        ),
        (
            Format::Name,
            &["A-1", "12\" pipe", &long],
            &["", " A", "A ", "A\tB", "A\0", &format!("{long}é")],
        ),
        (
            Format::Text,
            &["", " two  spaces ", "Blüte 花 \u{1f600}", &long.repeat(10)],
            &["\0", "two\nlines", &(long.repeat(10) + "é")],
        ),
        (
            Format::Email,
            &["a@b", "Ann.O'Hara+x@example.com"],
            &["", "a", "@b", "a@", "a@b@c", "a b@c"],
        ),
        (Format::State, &["OK", "ZZ"], &["", "ok", "O", "OKL", "Ö1"]),
        (
            Format::Money,
            &["0.00", "12.50", "999999999999.99"],
            &["", "-1", "1.005", "1e3", "$5", "1,000", "1000000000000"],
        ),
        (
            Format::Percent,
            &["0.0001", "7.5", "100"],
            &["", "0", "100.0001", "7.12345", "-5", "5%"],
        ),
        (
            Format::DiscountValue,
            &["0", "9999999999.9999"],
            &["", "10000000000", "1.00001", "-1", "NaN"],
        ),
        (
            quantity,
            &["1", "2147483647"],
            &["", "0", "2147483648", "-1", "+1", "1.0", "1e1", " 1"],
        ),
        (
            Format::Days { most: 3650 },
            &["1", "3650"],
            &["", "0", "3651", "-1", "1.5"],
        ),
        (
            Format::Flag,
            &["true", "false"],
            &["", "TRUE", "yes", "1", "t"],
        ),
        (
            Format::Date,
            &["1900-01-01", "2024-02-29", "2999-12-31"],
            &[
                "",
                "1899-12-31",
                "3000-01-01",
                "2026-02-29",
                "2026-2-1",
                "1/2/2026",
            ],
        ),
        (
            Format::Time,
            &["2026-11-25T08:00:00+00:00"],
            &[
                "",
                "2026-11-25",
                "2026-11-25T08:00:00",
                "3000-01-01T00:00:00Z",
                "2999-12-31T23:00:00-02:00",
                "1900-01-01T00:00:00+01:00",
            ],
        ),
        (Format::OneOf(&["a", "b"]), &["a", "b"], &["", "A", "c"]),
        (
            Format::Object,
            &["{}", r#"{"a": {"b": 1}}"#],
            &["", "[]", "1", "{", r#"{"a": "\u0000"}"#],
        ),
    ] {
        for text in good {
            assert_eq!(read(format, text).as_deref(), Some(*text), "{format}");
        }
        for text in bad {
            assert_eq!(read(format, text), None, "{text:?} as {format}");
            assert_eq!(format.read(text).unwrap_err(), format!("must be {format}"));
        }
    }
}

/// A terminal obeys some of these, and others turn around what a person reads.
#[test]
fn a_character_that_controls_a_terminal_or_turns_text_around_is_refused_in_every_text() {
    for letter in [
        '\0', '\t', '\n', '\r', '\u{1b}', '\u{7f}', '\u{85}', '\u{61c}', '\u{200e}', '\u{200f}',
        '\u{2028}', '\u{2029}', '\u{202a}', '\u{202e}', '\u{2066}', '\u{2069}',
    ] {
        let text = format!("a{letter}b");
        assert_eq!(read(Format::Text, &text), None, "{text:?}");
        assert_eq!(read(Format::Name, &text), None, "{text:?}");
        assert_eq!(read(Format::Email, &format!("{text}@c")), None, "{text:?}");
        for object in [
            serde_json::json!({ "a": [text] }),
            serde_json::json!({ text.as_str(): 1 }),
        ] {
            assert_eq!(read(Format::Object, &object.to_string()), None, "{object}");
        }
    }
}

#[test]
fn what_can_be_written_in_several_ways_is_read_as_one() {
    for (format, text, read_as) in [
        (Format::Money, "5", "5.00"),
        (Format::Money, "5.5", "5.50"),
        (
            Format::Id,
            "0195A000000070008000000000000301",
            "0195a000-0000-7000-8000-000000000301",
        ),
        (
            Format::Time,
            "2026-11-25T08:00:00.5+02:00",
            "2026-11-25T06:00:00.500+00:00",
        ),
    ] {
        assert_eq!(read(format, text).as_deref(), Some(read_as), "{text}");
    }
}

/// A float would make 12345678901234567000 of it, and 0.1 of the other.
#[test]
fn an_object_keeps_its_digits() {
    let text = r#"{"phone": 12345678901234567890123, "share": 0.1000000000000000055}"#;
    assert_eq!(read(Format::Object, text).as_deref(), Some(text));
}

/// A row of products that says this and nothing else.
fn product(fields: &[(&str, Cell)]) -> Row {
    let spec = Kind::Products.spec();
    let mut cells = vec![Cell::Absent; spec.columns.len()];
    for (name, cell) in fields {
        cells[spec.position(name).unwrap()] = cell.clone();
    }
    read_row(Kind::Products, &cells, Vec::new())
}

fn text(text: &str) -> Cell {
    Cell::Text(text.to_owned())
}

fn key() -> [(&'static str, Cell); 2] {
    let vendor = text("0195a000-0000-7000-8000-000000000101");
    [("vendor_store_id", vendor), ("sku", text("A-1"))]
}

#[test]
fn an_empty_field_is_null_or_empty_text_or_refused_as_its_column_takes_it() {
    for (column, problem) in [
        ("max_qty", None),
        ("category", None),
        (
            "title",
            Some("must not be empty, but text of at most 1000 characters, all of them printable"),
        ),
        (
            "moq",
            Some(
                "must not be empty, but a whole number from 1 to 2147483647; without the column, what \
                 is there stays",
            ),
        ),
    ] {
        let row = product(&[&key()[..], &[(column, Cell::Empty)]].concat());
        let expected: Vec<_> = problem
            .map(|problem| Problem::of(column, problem))
            .into_iter()
            .collect();
        assert_eq!(row.problems, expected);
        assert!(row.given.contains(&column), "{column}");
    }
}

#[test]
fn a_column_that_is_not_there_says_nothing() {
    let row = product(&key());
    assert_eq!(row.problems, []);
    assert_eq!(row.given, ["vendor_store_id", "sku"]);
}

#[test]
fn a_row_that_names_nothing_is_refused_with_the_ways_to_name_it() {
    let row = product(&[("title", text("Kush"))]);
    let problem = "names no product: give id, or vendor_store_id and sku";
    assert_eq!(row.problems, [Problem::of_row(problem)]);
}

#[test]
fn an_object_is_no_text_and_a_text_no_object() {
    let nested = Cell::Nested("{}".to_owned());
    let row = product(&[&key()[..], &[("title", nested)]].concat());
    let problem = "must be text of at most 1000 characters, all of them printable";
    assert_eq!(row.problems, [Problem::of("title", problem)]);
}

#[test]
fn every_kind_is_known_by_its_name_and_its_rows_by_their_keys() {
    for kind in Kind::ALL {
        let spec = kind.spec();
        assert_eq!(Kind::parse(spec.name), Some(kind));
        for column in spec.named_by.iter().copied().flatten() {
            assert!(spec.position(column).is_some(), "{column}");
        }
        let has_id = spec
            .columns
            .iter()
            .any(|column| column.need == Need::GeneratedId);
        assert_eq!(spec.is_named_by(|column| column == "id"), has_id);
    }
    assert_eq!(Kind::parse("product"), None);
}
