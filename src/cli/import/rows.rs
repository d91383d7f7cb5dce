//! Turns records into rows: what stands in which column.

use std::fmt;

use anyhow::{Context, bail, ensure};
use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor},
};
use serde_json::{Map, Value, value::RawValue};

use crate::domain::import::{Cell, Kind, Problem, Row, read_row};

use super::{
    lines::Record,
    source::{FileFormat, Source},
};

/// Reads the records of one file.
#[derive(Debug)]
pub enum RowReader {
    /// For each field of a record, where its column stands in the kind's.
    Csv {
        /// What the rows are.
        kind: Kind,
        /// By field.
        positions: Vec<usize>,
    },
    /// Names stand in every record.
    Ndjson {
        /// What the rows are.
        kind: Kind,
    },
}

impl RowReader {
    /// A reader for a file; `header` is its first record if it is CSV.
    ///
    /// # Errors
    /// A header with which no row could be read.
    pub fn of(source: &Source, header: Option<&Record>) -> anyhow::Result<Self> {
        let kind = source.kind;
        match source.format {
            FileFormat::Ndjson => Ok(Self::Ndjson { kind }),
            FileFormat::Csv => {
                let header =
                    header.context("the file is empty; its first line names the columns")?;
                let text = header.text.as_ref();
                let text = text.map_err(|error| anyhow::anyhow!("line 1 {error}"))?;
                let positions = read_header(kind, text)?;
                Ok(Self::Csv { kind, positions })
            }
        }
    }

    /// Reads a record. Whatever is wrong with it is in the row.
    pub fn read(&self, record: &Record) -> Row {
        let (kind, read) = match (self, &record.text) {
            (Self::Csv { kind, .. } | Self::Ndjson { kind }, Err(unreadable)) => {
                (*kind, Err(vec![Problem::of_row(unreadable.to_string())]))
            }
            (Self::Csv { kind, positions }, Ok(text)) => (*kind, read_csv(*kind, positions, text)),
            (Self::Ndjson { kind }, Ok(text)) => (*kind, read_ndjson(*kind, text)),
        };
        match read {
            Ok((cells, problems)) => read_row(kind, &cells, problems),
            Err(problems) => Row::unreadable(kind, problems),
        }
    }

    /// The record as JSON, to be shown to whoever is to repair it.
    pub fn as_json(&self, record: &Record) -> Option<String> {
        let text = record.text.as_ref().ok()?;
        match self {
            Self::Ndjson { .. } => serde_json::from_str::<&RawValue>(text)
                .is_ok()
                .then(|| text.clone()),
            Self::Csv { kind, positions } => {
                let names = kind.spec().column_names();
                let fields = fields_of(text).ok()?;
                let object: Map<String, Value> = positions
                    .iter()
                    .zip(fields)
                    .map(|(position, field)| (names[*position].to_owned(), field.into()))
                    .collect();
                Some(Value::Object(object).to_string())
            }
        }
    }
}

type Read = Result<(Vec<Cell>, Vec<Problem>), Vec<Problem>>;

fn read_header(kind: Kind, text: &str) -> anyhow::Result<Vec<usize>> {
    let spec = kind.spec();
    let known = spec.column_names().join(", ");
    let names = fields_of(text).map_err(|problem| anyhow::anyhow!("line 1 {problem}"))?;
    let mut positions = Vec::with_capacity(names.len());
    for name in &names {
        let Some(position) = spec.position(name) else {
            bail!(
                "line 1: {} have no column {name:?}; known: {known}",
                spec.name
            );
        };
        ensure!(
            !positions.contains(&position),
            "line 1: the column {name} stands twice"
        );
        positions.push(position);
    }
    ensure!(
        spec.is_named_by(|column| names.iter().any(|name| name == column)),
        "line 1: no column says which {} a row is about; there must be {}",
        spec.noun,
        spec.ways_to_name()
    );
    Ok(positions)
}

fn read_csv(kind: Kind, positions: &[usize], text: &str) -> Read {
    let fields = match fields_of(text) {
        Ok(fields) => fields,
        Err(problem) => return Err(vec![Problem::of_row(problem)]),
    };
    if fields.len() != positions.len() {
        let (is, should_be) = (fields.len(), positions.len());
        let problem = format!("has {is} fields, but the header has {should_be}");
        return Err(vec![Problem::of_row(problem)]);
    }
    let mut cells = vec![Cell::Absent; kind.spec().columns.len()];
    for (position, field) in positions.iter().zip(fields) {
        cells[*position] = if field.is_empty() {
            Cell::Empty
        } else {
            Cell::Text(field)
        };
    }
    Ok((cells, Vec::new()))
}

/// The fields of one record. The only line breaks in it are inside of quotes.
///
/// # Errors
/// It is not one record, with a clause.
fn fields_of(text: &str) -> Result<Vec<String>, String> {
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .terminator(csv::Terminator::Any(b'\n'))
        .buffer_capacity(text.len().max(1))
        .from_reader(text.as_bytes());
    let mut records = reader.records();
    let record = match records.next() {
        Some(Ok(record)) => record,
        Some(Err(error)) => return Err(format!("is no CSV: {error}")),
        None => return Err("is no CSV: there is nothing in it".to_owned()),
    };
    if records.next().is_some() {
        return Err("is no CSV: its quotes can't be made out".to_owned());
    }
    Ok(record.iter().map(str::to_owned).collect())
}

fn read_ndjson(kind: Kind, text: &str) -> Read {
    let Fields(fields) = match serde_json::from_str(text) {
        Ok(fields) => fields,
        Err(error) => {
            let problem = format!("is no JSON object: {error}");
            return Err(vec![Problem::of_row(problem)]);
        }
    };
    let spec = kind.spec();
    let mut cells = vec![Cell::Absent; spec.columns.len()];
    let mut problems = Vec::new();
    for (name, value) in fields {
        let Some(position) = spec.position(&name) else {
            let known = spec.column_names().join(", ");
            // Whatever is in it must be fit to be shown and stored.
            let name = name.escape_debug().to_string();
            problems.push(Problem::of(&name, format!("is no column; known: {known}")));
            continue;
        };
        if cells[position] != Cell::Absent {
            problems.push(Problem::of(&name, "stands twice"));
        }
        cells[position] = cell_of(value.get());
    }
    Ok((cells, problems))
}

/// A number keeps its digits: it is never read as a float.
fn cell_of(json: &str) -> Cell {
    match json.as_bytes() {
        b"null" => Cell::Empty,
        [b'"', ..] => match serde_json::from_str::<String>(json) {
            Ok(text) if text.is_empty() => Cell::Empty,
            Ok(text) => Cell::Text(text),
            Err(_) => Cell::Nested(json.to_owned()),
        },
        [b'{' | b'[', ..] => Cell::Nested(json.to_owned()),
        _ => Cell::Text(json.to_owned()),
    }
}

/// An object's fields as they stand: a map would forget one that stands twice.
struct Fields(Vec<(String, Box<RawValue>)>);

impl<'de> Deserialize<'de> for Fields {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct FieldsVisitor;

        impl<'de> Visitor<'de> for FieldsVisitor {
            type Value = Fields;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields, A::Error> {
                let mut fields = Vec::new();
                while let Some(field) = map.next_entry()? {
                    fields.push(field);
                }
                Ok(Fields(fields))
            }
        }

        deserializer.deserialize_map(FieldsVisitor)
    }
}
