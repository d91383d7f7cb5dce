//! A row: fields in, values and problems out.

use serde::Serialize;

use super::{Format, Kind, Need};

/// The field of one column in a row.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Cell {
    /// The file or the row has no such column.
    #[default]
    Absent,
    /// The column is there and empty, or null.
    Empty,
    /// The text of a field, of a JSON string, number or boolean.
    Text(String),
    /// A JSON object or list, as it was written.
    Nested(String),
}

/// One problem of a row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// The column, or none if it is the whole row.
    pub column: Option<String>,
    /// A clause such as `must be a UUID`.
    pub problem: String,
}

impl Problem {
    /// A problem of one column.
    pub fn of(column: &str, problem: impl Into<String>) -> Self {
        Self {
            column: Some(column.to_owned()),
            problem: problem.into(),
        }
    }

    /// A problem of the whole row.
    pub fn of_row(problem: impl Into<String>) -> Self {
        Self {
            column: None,
            problem: problem.into(),
        }
    }
}

/// A row that was read as far as it can be read alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// The names of the columns that the row says something about.
    pub given: Vec<&'static str>,
    /// A value per column; none if it is absent, null or wrong.
    pub values: Vec<Option<String>>,
    /// All problems found.
    pub problems: Vec<Problem>,
}

impl Row {
    /// A row that could not even be cut into fields. All columns count as given, so that none is called
    /// missing on top of it.
    pub fn unreadable(kind: Kind, problems: Vec<Problem>) -> Self {
        Self {
            given: kind.spec().column_names(),
            values: vec![None; kind.spec().columns.len()],
            problems,
        }
    }
}

/// Reads the cells of a row, one per column of the kind and in its order; `problems` are those that
/// were found on the way there.
pub fn read_row(kind: Kind, cells: &[Cell], problems: Vec<Problem>) -> Row {
    let spec = kind.spec();
    assert_eq!(cells.len(), spec.columns.len(), "a cell per column");
    let mut row = Row {
        given: Vec::with_capacity(cells.len()),
        values: Vec::with_capacity(cells.len()),
        problems,
    };
    for (column, cell) in spec.columns.iter().zip(cells) {
        let (is_given, value) = match read_cell(cell, column.format, column.need) {
            Reading::Nothing => (false, None),
            Reading::Value(value) => (true, value),
            Reading::Wrong(problem) => {
                row.problems.push(Problem::of(column.name, problem));
                (true, None)
            }
        };
        row.given.extend(is_given.then_some(column.name));
        row.values.push(value);
    }
    if !spec.is_named_by(|name| row.given.contains(&name)) {
        if row.problems.is_empty() {
            let problem = format!("names no {}: give {}", spec.noun, spec.ways_to_name());
            row.problems.push(Problem::of_row(problem));
        }
        row.given = spec.column_names();
    }
    row
}

enum Reading {
    Nothing,
    Value(Option<String>),
    Wrong(String),
}

fn read_cell(cell: &Cell, format: Format, need: Need) -> Reading {
    let text = match cell {
        Cell::Absent => return Reading::Nothing,
        Cell::Empty => return read_empty(format, need),
        Cell::Nested(_) if format != Format::Object => {
            return Reading::Wrong(format!("must be {format}"));
        }
        Cell::Text(text) | Cell::Nested(text) => text,
    };
    match format.read(text) {
        Ok(value) => Reading::Value(Some(value.into_owned())),
        Err(problem) => Reading::Wrong(problem),
    }
}

fn read_empty(format: Format, need: Need) -> Reading {
    match need {
        Need::GeneratedId | Need::RequiredOrLookup | Need::Optional => Reading::Nothing,
        Need::Nullable => Reading::Value(None),
        Need::Default(_) if format.takes_empty() => Reading::Value(Some(String::new())),
        Need::RequiredForNew => Reading::Wrong(format!("must not be empty, but {format}")),
        Need::Default(_) => Reading::Wrong(format!(
            "must not be empty, but {format}; without the column, what is there stays"
        )),
    }
}
