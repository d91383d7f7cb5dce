//! Tables: a header, and numbers aligned to the right.

use comfy_table::{CellAlignment, ContentArrangement, Table, presets};
use indicatif::HumanCount;

/// A table with this header, or none. The columns with these indices hold numbers.
pub fn table(header: &[&str], numbers: impl IntoIterator<Item = usize>) -> Table {
    with_style(presets::UTF8_FULL_CONDENSED, header, numbers)
}

/// The same, with cells that wrap where the terminal is too narrow for them.
pub fn narrow_table(header: &[&str], numbers: impl IntoIterator<Item = usize>) -> Table {
    let mut table = table(header, numbers);
    table.set_content_arrangement(ContentArrangement::Dynamic);
    table
}

/// The same, as a page in Markdown has it.
pub fn markdown_table(header: &[&str], numbers: impl IntoIterator<Item = usize>) -> Table {
    with_style(presets::ASCII_MARKDOWN, header, numbers)
}

fn with_style(
    style: comfy_table::TableStyle,
    header: &[&str],
    numbers: impl IntoIterator<Item = usize>,
) -> Table {
    let mut table = Table::new();
    table.load_style(style);
    if !header.is_empty() {
        table.set_header(header.iter().copied());
    }
    for index in numbers {
        if let Some(column) = table.column_mut(index) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table
}

/// A number as it is read: `1,234,567`.
pub fn count(number: u64) -> String {
    HumanCount(number).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_stand_at_the_right_and_names_at_the_left() {
        let mut table = table(&["name", "rows"], [1]);
        table.add_row(["users".to_owned(), count(7)]);
        table.add_row(["products".to_owned(), count(10_000)]);
        let text = table.to_string();
        assert!(text.contains("│ users    ┆      7 │"), "{text}");
        assert!(text.contains("│ products ┆ 10,000 │"), "{text}");
    }
}
