//! JSON as it was sent: unlike `serde_json::Value`, it keeps names that appear twice and the digits of
//! numbers.

use std::fmt::{self, Write};

use serde::{
    Deserializer,
    de::{DeserializeSeed, Error, MapAccess, SeqAccess, Visitor},
};

use super::number::{self, Numbers};

/// The most members of an object. Objects that are read have six at most; one with many more is refused
/// before it costs anything.
pub const MEMBERS_MAX: usize = 64;

/// A JSON value.
#[derive(Clone, Debug, PartialEq)]
pub enum Node {
    Null,
    Bool(bool),
    /// Digits and a sign.
    Number(serde_json::Number),
    /// With a point or an exponent, or too large for the other: as it was written.
    Decimal(String),
    String(String),
    Array(Vec<Node>),
    Object(Vec<(String, Node)>),
}

impl Node {
    /// Reads a text.
    ///
    /// # Errors
    /// The text is not JSON in UTF-8, or has an object of more than [`MEMBERS_MAX`] members.
    pub fn parse(text: &[u8]) -> Result<Self, serde_json::Error> {
        let numbers = Numbers::of(text);
        let mut json = serde_json::Deserializer::from_slice(text);
        let node = Reader(&numbers).deserialize(&mut json)?;
        json.end()?;
        Ok(node)
    }

    /// The value of a whole number, however it is written: 10.0 and 1e1 are whole (JSON Schema, 6.1.1).
    pub fn whole(&self) -> Option<i64> {
        match self {
            Self::Number(number) => number.as_i64(),
            Self::Decimal(text) => number::whole(text),
            _ => None,
        }
    }

    /// The canonical form: names sorted, no white space, values as they were sent.
    pub fn canonical(&self) -> String {
        let mut text = String::new();
        self.write_canonical(&mut text)
            .expect("writing to a string can't fail");
        text
    }

    fn write_canonical(&self, out: &mut String) -> fmt::Result {
        match self {
            Self::Null => out.write_str("null"),
            Self::Bool(value) => write!(out, "{value}"),
            Self::Number(number) => write!(out, "{number}"),
            Self::Decimal(text) => match number::whole(text) {
                Some(whole) => write!(out, "{whole}"),
                None => out.write_str(text),
            },
            Self::String(text) => write_text(text, out),
            Self::Array(items) => write_list(out, ['[', ']'], items, Self::write_canonical),
            Self::Object(fields) => {
                let mut fields: Vec<_> = fields.iter().collect();
                fields.sort_by(|(a, _), (b, _)| a.cmp(b));
                write_list(out, ['{', '}'], &fields, |(name, value), out| {
                    write_text(name, out)?;
                    out.write_char(':')?;
                    value.write_canonical(out)
                })
            }
        }
    }
}

fn write_text(text: &str, out: &mut String) -> fmt::Result {
    out.write_str(&serde_json::to_string(text).expect("any text is a JSON string"))
}

fn write_list<T>(
    out: &mut String,
    [open, close]: [char; 2],
    items: &[T],
    write: impl Fn(&T, &mut String) -> fmt::Result,
) -> fmt::Result {
    out.write_char(open)?;
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            out.write_char(',')?;
        }
        write(item, out)?;
    }
    out.write_char(close)
}

/// Reads one value, with the numbers of its text.
#[derive(Clone, Copy)]
struct Reader<'t>(&'t Numbers<'t>);

impl<'de> DeserializeSeed<'de> for Reader<'_> {
    type Value = Node;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Node, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Reader<'_> {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E: Error>(self) -> Result<Node, E> {
        Ok(Node::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Node, E> {
        Ok(Node::Bool(value))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Node, E> {
        self.0.pass();
        Ok(Node::Number(value.into()))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Node, E> {
        self.0.pass();
        Ok(Node::Number(value.into()))
    }

    /// The float is not looked at: it may be another number than the one that was written.
    fn visit_f64<E: Error>(self, _: f64) -> Result<Node, E> {
        let digits = self.0.take();
        digits
            .map(|digits| Node::Decimal(digits.to_owned()))
            .ok_or_else(|| E::custom("a number can't be read"))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Node, E> {
        Ok(Node::String(text.to_owned()))
    }

    fn visit_string<E: Error>(self, text: String) -> Result<Node, E> {
        Ok(Node::String(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Node, A::Error> {
        let mut nodes = Vec::new();
        while let Some(node) = items.next_element_seed(self)? {
            nodes.push(node);
        }
        Ok(Node::Array(nodes))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Node, A::Error> {
        let mut nodes = Vec::new();
        while let Some(name) = members.next_key()? {
            if nodes.len() == MEMBERS_MAX {
                let problem = format!("an object has more than {MEMBERS_MAX} members");
                return Err(A::Error::custom(problem));
            }
            nodes.push((name, members.next_value_seed(self)?));
        }
        Ok(Node::Object(nodes))
    }
}
