//! Takes a record apart: the fields of a line of CSV, the names and values of a JSON object. What
//! they mean is not known here. Nothing that stands in a record is passed over in silence.

use std::fmt;

use anyhow::ensure;
use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor},
};
use serde_json::value::RawValue;

/// The fields of a record of CSV.
///
/// # Errors
/// It is not one record: outside quotes a carriage return ends one, wherever it stands.
pub fn of_csv(text: &str) -> anyhow::Result<Vec<String>> {
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .buffer_capacity(text.len().max(1))
        .from_reader(text.as_bytes());
    let mut record = csv::StringRecord::new();
    reader.read_record(&mut record)?;
    let mut rest = csv::StringRecord::new();
    ensure!(
        !reader.read_record(&mut rest)?,
        "a carriage return stands alone in it; end lines with a newline"
    );
    Ok(record.iter().map(str::to_owned).collect())
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
        for (text, fields) in [
            ("a,b", vec!["a", "b"]),
            ("a,", vec!["a", ""]),
            ("\"a,\r\n\"\"b\"\"\",c", vec!["a,\r\n\"b\"", "c"]),
            ("12\" pipe,c", vec!["12\" pipe", "c"]),
        ] {
            assert_eq!(of_csv(text).unwrap(), fields, "{text:?}");
        }
    }

    #[test]
    fn a_second_record_is_never_passed_over() {
        for text in ["a,b\rc,d", "a\nb", "\"a\"\rb"] {
            let error = of_csv(text).unwrap_err();
            assert!(error.to_string().contains("carriage return"), "{error}");
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
