//! The result of an import, as tables for people and as JSON for programs.

use std::time::Duration;

use serde_json::{Value, json};

use crate::db::import::{Changes, Refused};

use super::{mode::Mode, source::Source};

/// Stands for a count that is not known.
const NONE: &str = "–";

const HEADER: [&str; 7] = [
    "file",
    "rows",
    "inserted",
    "updated",
    "unchanged",
    "refused",
    "seconds",
];

/// The result of one file.
#[derive(Debug)]
pub struct FileReport {
    pub name: String,
    pub kind: &'static str,
    pub mode: Mode,
    pub rows: u64,
    pub refused: u64,
    /// The changes made, or in a dry run foreseen; none if the whole file was refused.
    pub changes: Option<Changes>,
    /// The first refused rows.
    pub shown: Vec<Refused>,
    pub elapsed: Duration,
}

impl FileReport {
    /// The report on a file before anything was applied.
    pub fn of(source: &Source, mode: Mode, rows: u64) -> Self {
        Self {
            name: source.name(),
            kind: source.kind.spec().name,
            mode,
            rows,
            refused: 0,
            changes: None,
            shown: Vec::new(),
            elapsed: Duration::ZERO,
        }
    }

    /// The file, or the accepted part of it, is in the database now.
    pub fn was_imported(&self) -> bool {
        self.mode != Mode::DryRun && self.changes.is_some()
    }

    fn inserted(&self) -> Option<u64> {
        self.changes.map(|changes| changes.inserted)
    }

    fn updated(&self) -> Option<u64> {
        self.changes.map(|changes| changes.updated)
    }

    fn unchanged(&self) -> Option<u64> {
        let changed = self.inserted()? + self.updated()?;
        Some(self.rows.saturating_sub(changed + self.refused))
    }

    fn to_json(&self) -> Value {
        json!({
            "file": self.name,
            "kind": self.kind,
            "rows": self.rows,
            "inserted": self.inserted(),
            "updated": self.updated(),
            "unchanged": self.unchanged(),
            "refused": self.refused,
            "imported": self.was_imported(),
            "first_refused": self.shown.iter().map(refused_to_json).collect::<Vec<_>>(),
            "seconds": self.elapsed.as_secs_f64(),
        })
    }
}

/// The result of all files.
#[derive(Debug, Default)]
pub struct Report {
    /// The files that were read, in order.
    pub files: Vec<FileReport>,
    /// The files that were skipped because an earlier one was refused.
    pub left: Vec<String>,
    /// The failure that ended the import early.
    pub failure: Option<anyhow::Error>,
}

impl Report {
    /// No row was refused.
    pub fn is_clean(&self) -> bool {
        self.files.iter().all(|file| file.refused == 0)
    }

    /// For programs.
    pub fn to_json(&self) -> Value {
        json!({
            "files": self.files.iter().map(FileReport::to_json).collect::<Vec<_>>(),
            "left": self.left,
        })
    }

    /// For people.
    pub fn print(&self) {
        if self.files.is_empty() {
            return;
        }
        println!("{}", self.table());
        for file in &self.files {
            print_refused(file);
        }
        for name in &self.left {
            println!("{name} was left alone, because a file before it was refused.");
        }
        if self.files.iter().any(|file| file.mode == Mode::DryRun) {
            println!("This was a dry run: nothing was written.");
        }
    }

    fn table(&self) -> terminal::Table {
        let mut table = terminal::table(&HEADER, 1..HEADER.len());
        for file in &self.files {
            let counts = [
                Some(file.rows),
                file.inserted(),
                file.updated(),
                file.unchanged(),
                Some(file.refused),
            ];
            let counts = counts.map(|count| count.map_or(NONE.to_owned(), terminal::count));
            let cells = [file.name.clone()].into_iter().chain(counts);
            table.add_row(cells.chain([format!("{:.2}", file.elapsed.as_secs_f64())]));
        }
        table
    }
}

fn refused_to_json(refused: &Refused) -> Value {
    json!({ "line": refused.line, "problems": refused.problems })
}

fn print_refused(file: &FileReport) {
    if file.refused == 0 {
        return;
    }
    let rows = match file.refused {
        1 => "1 row was".to_owned(),
        count => format!("{} rows were", terminal::count(count)),
    };
    let rest = match (file.mode, file.changes) {
        (Mode::DryRun, _) => "as they would be",
        (_, Some(_)) => "the others were imported",
        (_, None) => "nothing was imported",
    };
    println!("\n{}: {rows} refused, {rest}.", file.name);
    for refused in &file.shown {
        for problem in refused.problems.as_array().into_iter().flatten() {
            let text = |name: &str| problem[name].as_str().unwrap_or_default().to_owned();
            let (column, problem) = (text("column"), text("problem"));
            let place = if column.is_empty() {
                format!("line {}", refused.line)
            } else {
                format!("line {}, {column}", refused.line)
            };
            println!("  {place}: {problem}");
        }
    }
    let more = file.refused.saturating_sub(file.shown.len() as u64);
    if more > 0 {
        println!(
            "  … and {} more; --refused FILE writes all of them down.",
            terminal::count(more)
        );
    }
}
