//! Turns records into rows: finds the column of each field.

use anyhow::{Context, ensure};
use csv::StringRecord;
use serde_json::{Map, Value};

use crate::import_rules::{Cell, Kind, Problem, Row, read_row};

use super::{
    json_object::JsonObject,
    records::Record,
    source::{FileFormat, Source},
};

/// The length up to which an unknown column's name is shown.
const UNKNOWN_CHARS_SHOWN: usize = 60;

/// Reads the records of one file.
#[derive(Debug)]
pub struct RowReader {
    kind: Kind,
    layout: Layout,
}

/// The places of a record's columns.
#[derive(Debug)]
enum Layout {
    /// In the order of the header: for each field, the index of its column in the kind.
    Csv { positions: Vec<usize> },
    /// After their names, in every record.
    Ndjson,
}

impl RowReader {
    pub const fn kind(&self) -> Kind {
        self.kind
    }

    /// A reader for a file; `header` is its first record if it is CSV.
    ///
    /// # Errors
    /// A header with which no row could be read.
    pub fn of(source: &Source, header: Option<&Record>) -> anyhow::Result<Self> {
        let kind = source.kind;
        let layout = match source.format {
            FileFormat::Ndjson => Layout::Ndjson,
            FileFormat::Csv => {
                let header =
                    header.context("the file is empty; its first line names the columns")?;
                let positions = read_header(kind, header)
                    .with_context(|| format!("its header, on line {}", header.line))?;
                Layout::Csv { positions }
            }
        };
        Ok(Self { kind, layout })
    }

    /// Reads a record. The row holds all its problems.
    pub fn read(&self, record: &Record) -> Row {
        let read = match (&record.text, &self.layout) {
            (Err(unreadable), _) => Err(vec![Problem::of_row(unreadable.to_string())]),
            (Ok(_), Layout::Csv { positions }) => read_csv(self.kind, positions, &record.fields),
            (Ok(text), Layout::Ndjson) => read_ndjson(self.kind, text),
        };
        match read {
            Ok((cells, problems)) => read_row(self.kind, &cells, problems),
            Err(problems) => Row::unreadable(self.kind, problems),
        }
    }

    /// The record as JSON, to be handed back for repair: an object, or its text if it is none.
    pub fn as_json(&self, record: &Record) -> Option<String> {
        let text = record.text.as_ref().ok()?;
        let object = match &self.layout {
            Layout::Csv { positions } => csv_as_json(self.kind, positions, &record.fields),
            Layout::Ndjson => serde_json::from_str::<JsonObject>(text)
                .is_ok()
                .then(|| text.clone()),
        };
        Some(object.unwrap_or_else(|| Value::from(text.as_str()).to_string()))
    }
}

type Read = Result<(Vec<Cell>, Vec<Problem>), Vec<Problem>>;

fn read_header(kind: Kind, header: &Record) -> anyhow::Result<Vec<usize>> {
    let spec = kind.spec();
    if let Err(unreadable) = header.text {
        return Err(unreadable.into());
    }
    let names = &header.fields;
    let unknown: Vec<_> = names
        .iter()
        .filter(|name| spec.position(name).is_none())
        .map(|name| format!("{name:?}"))
        .collect();
    ensure!(
        unknown.is_empty(),
        "names unknown columns of {}: {}; known: {}",
        spec.name,
        unknown.join(", "),
        spec.column_names().join(", ")
    );
    let mut positions = Vec::with_capacity(names.len());
    for position in names.iter().filter_map(|name| spec.position(name)) {
        ensure!(
            !positions.contains(&position),
            "names {} twice",
            spec.columns[position].name
        );
        positions.push(position);
    }
    ensure!(
        spec.is_named_by(|column| names.iter().any(|name| name == column)),
        "has no column that says which {} a row is about; there must be {}",
        spec.noun,
        spec.ways_to_name()
    );
    Ok(positions)
}

fn read_csv(kind: Kind, positions: &[usize], fields: &StringRecord) -> Read {
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
            Cell::Text(field.to_owned())
        };
    }
    Ok((cells, Vec::new()))
}

fn csv_as_json(kind: Kind, positions: &[usize], fields: &StringRecord) -> Option<String> {
    if fields.len() != positions.len() {
        return None;
    }
    let names = kind.spec().column_names();
    let object: Map<String, Value> = positions
        .iter()
        .zip(fields)
        .map(|(position, field)| (names[*position].to_owned(), field.into()))
        .collect();
    Some(Value::Object(object).to_string())
}

fn read_ndjson(kind: Kind, text: &str) -> Read {
    let JsonObject(fields) = match serde_json::from_str(text) {
        Ok(object) => object,
        // Not with the error: it would quote the value, which may be as long as a record.
        Err(error) if error.is_data() => {
            return Err(vec![Problem::of_row("is not a JSON object")]);
        }
        Err(error) => {
            let problem = format!("is not a JSON object: {error}");
            return Err(vec![Problem::of_row(problem)]);
        }
    };
    let spec = kind.spec();
    let mut cells = vec![Cell::Absent; spec.columns.len()];
    let mut problems = Vec::new();
    for (name, value) in fields {
        match spec.position(&name) {
            Some(position) if cells[position] == Cell::Absent => {
                cells[position] = cell_of(value.get());
            }
            Some(_) => problems.push(Problem::of(&name, "appears twice")),
            None => {
                let known = spec.column_names().join(", ");
                let problem = format!("is not a column; known: {known}");
                problems.push(Problem::of(&shown(&name), problem));
            }
        }
    }
    Ok((cells, problems))
}

/// The start of an unknown column's name, escaped: a name may be of any length and have any character, such
/// as a NUL, which PostgreSQL can't store.
fn shown(name: &str) -> String {
    let start: String = name.chars().take(UNKNOWN_CHARS_SHOWN).collect();
    start.escape_debug().to_string()
}

/// The cell of a JSON value. A number keeps its digits: it is never read as a float.
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
