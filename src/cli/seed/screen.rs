//! What `splitcart seed` shows: a bar on a terminal, plain lines elsewhere, a table in the end. It
//! only shows.

use std::io::{IsTerminal, stderr};

use comfy_table::{CellAlignment, Table, presets::UTF8_FULL_CONDENSED};
use indicatif::{HumanCount, ProgressBar, ProgressStyle};

use super::{Progress, Summary};

const TEMPLATE: &str =
    "{msg:26} {bar:32} {human_pos}/{human_len} rows, {elapsed} so far, {eta} left";

/// Where progress goes.
pub(super) enum Screen {
    Bar(ProgressBar),
    Lines,
}

impl Screen {
    /// A bar if stderr is a terminal. A log gets one line per table instead.
    pub(super) fn on_stderr() -> Self {
        if !stderr().is_terminal() {
            return Self::Lines;
        }
        let style = ProgressStyle::with_template(TEMPLATE)
            .expect("the template is constant and a test parses it");
        Self::Bar(ProgressBar::new(0).with_style(style))
    }

    pub(super) fn show(&self, progress: Progress) {
        match self {
            Self::Bar(bar) => {
                bar.set_length(progress.total);
                bar.set_message(progress.table);
                bar.set_position(progress.rows);
            }
            Self::Lines if progress.table_rows == progress.table_total => {
                eprintln!(
                    "loaded {} rows into {}",
                    HumanCount(progress.table_rows),
                    progress.table
                );
            }
            Self::Lines => {}
        }
    }

    pub(super) fn close(&self) {
        if let Self::Bar(bar) = self {
            bar.finish_and_clear();
        }
    }
}

/// Prints how many rows went where, and how long it took.
pub(super) fn print_summary(summary: &Summary) {
    println!("{}", table(summary));
}

fn table(summary: &Summary) -> Table {
    let mut table = Table::new();
    table
        .load_style(UTF8_FULL_CONDENSED)
        .set_header(["table", "rows", "seconds"]);
    for loaded in &summary.tables {
        table.add_row([
            loaded.table.to_owned(),
            HumanCount(loaded.rows).to_string(),
            format!("{:.2}", loaded.elapsed.as_secs_f64()),
        ]);
    }
    let rows = summary.tables.iter().map(|loaded| loaded.rows).sum();
    table.add_row([
        "all, committed and analyzed".to_owned(),
        HumanCount(rows).to_string(),
        format!("{:.2}", summary.elapsed.as_secs_f64()),
    ]);
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::cli::seed::LoadedTable;

    #[test]
    fn the_template_of_the_bar_parses() {
        assert!(ProgressStyle::with_template(TEMPLATE).is_ok());
    }

    #[test]
    fn the_table_ends_with_all_rows() {
        let loaded = |table, rows| LoadedTable {
            table,
            rows,
            elapsed: Duration::from_millis(250),
        };
        let summary = Summary {
            tables: vec![loaded("users", 1_100), loaded("stores", 1_200)],
            elapsed: Duration::from_secs(1),
        };
        let text = table(&summary).to_string();
        let last = text.lines().rev().nth(1).unwrap();
        assert!(text.contains("1,100") && text.contains("0.25"));
        assert!(last.contains("2,300") && last.contains("1.00"), "{last}");
    }
}
