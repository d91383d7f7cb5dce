//! Reads the names and values of a JSON object. Their meaning is not known here, and no member is dropped
//! without an error.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor},
};
use serde_json::value::RawValue;

/// The members of a JSON object in their own order. Values keep their digits, and a repeated name is
/// there as often as it is in the text.
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
    fn a_repeated_name_is_there_twice() {
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
