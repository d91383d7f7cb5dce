//! Takes a record apart: the fields of a line of CSV, the names and values of a JSON object. What
//! they mean is not known here. Nothing that stands in a record is passed over in silence.

use std::{borrow::Cow, fmt};

use anyhow::ensure;
use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor},
};
use serde_json::value::RawValue;

/// The byte order mark.
const MARK: char = '\u{feff}';

/// What takes records of CSV apart (RFC 4180). Its tables are built once.
#[derive(Debug)]
pub struct Csv(csv_core::Reader);

impl Default for Csv {
    fn default() -> Self {
        let mut reader = csv_core::ReaderBuilder::new();
        // A carriage return that stands alone is a letter like others.
        reader.terminator(csv_core::Terminator::Any(b'\n'));
        Self(reader.build())
    }
}

impl Csv {
    /// The fields of a record.
    ///
    /// # Errors
    /// It is not one record.
    pub fn fields(&mut self, record: &str) -> anyhow::Result<Vec<String>> {
        let machine = &mut self.0;
        machine.reset();
        // The machine takes each record for the beginning of a file, and drops a byte order mark there. Ours is
        // gone already: another one is a letter like others.
        let record = if record.starts_with(MARK) {
            Cow::Owned(format!("{MARK}{record}"))
        } else {
            Cow::Borrowed(record)
        };
        let mut text = vec![0; record.len()];
        // A field has at least a comma behind it, but for the last.
        let mut ends = vec![0; record.bytes().filter(|byte| *byte == b',').count() + 1];
        let (_, read, written, ended) =
            machine.read_record(record.as_bytes(), &mut text, &mut ends);
        ensure!(
            read == record.len(),
            "it is more than one record; its quotes can't be made out"
        );
        // Nothing more to read ends the last field.
        let (_, _, rest, last) = machine.read_record(&[], &mut text[written..], &mut ends[ended..]);
        text.truncate(written + rest);
        let text = String::from_utf8(text)?;
        let mut begin = 0;
        let fields = ends[..ended + last].iter().map(|end| {
            let field = text[begin..*end].to_owned();
            begin = *end;
            field
        });
        Ok(fields.collect())
    }
}

/// A JSON object in its own order. Values keep their digits, and names that stand twice are there
/// twice.
#[derive(Debug)]
pub struct JsonObject(pub Vec<(String, Box<RawValue>)>);

impl<'de> Deserialize<'de> for JsonObject {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Fields)
    }
}

struct Fields;

impl<'de> Visitor<'de> for Fields {
    type Value = JsonObject;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<JsonObject, A::Error> {
        let mut fields = Vec::new();
        while let Some(field) = map.next_entry()? {
            fields.push(field);
        }
        Ok(JsonObject(fields))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_of_csv_is_taken_apart() {
        let mut csv = Csv::default();
        for (text, fields) in [
            ("a,b", vec!["a", "b"]),
            ("a,", vec!["a", ""]),
            ("a", vec!["a"]),
            (",", vec!["", ""]),
            ("a\rb,c", vec!["a\rb", "c"]),
            ("\"\"", vec![""]),
            ("é,\"é\"", vec!["é", "é"]),
            ("\"a,\r\n\"\"b\"\"\",c", vec!["a,\r\n\"b\"", "c"]),
        ] {
            assert_eq!(csv.fields(text).unwrap(), fields, "{text:?}");
        }
    }

    #[test]
    fn a_byte_order_mark_inside_a_file_is_kept() {
        let mut csv = Csv::default();
        for (text, fields) in [
            ("\u{feff}a,b", ["\u{feff}a", "b"]),
            ("\u{feff},\u{feff}", ["\u{feff}", "\u{feff}"]),
        ] {
            assert_eq!(csv.fields(text).unwrap(), fields, "{text:?}");
        }
    }

    #[test]
    fn a_second_record_is_never_passed_over() {
        let mut csv = Csv::default();
        for text in ["a\nb", "a,b\n\n\"c\"", "\"a\"\nb"] {
            let error = csv.fields(text).unwrap_err();
            assert!(
                error.to_string().contains("more than one record"),
                "{error}"
            );
            assert_eq!(csv.fields("a,b").unwrap(), ["a", "b"]);
        }
    }

    #[test]
    fn a_name_that_stands_twice_is_there_twice() {
        let object: JsonObject = serde_json::from_str(r#"{"a": 1.50, "b": [], "a": 2}"#).unwrap();
        let fields: Vec<_> = object
            .0
            .iter()
            .map(|(name, value)| (name.as_str(), value.get()))
            .collect();
        assert_eq!(fields, [("a", "1.50"), ("b", "[]"), ("a", "2")]);
        assert!(serde_json::from_str::<JsonObject>("[1]").is_err());
    }
}
