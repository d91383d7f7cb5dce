//! The way from the rows of a kind to the rows of a table, as a description. There is one for each kind in
//! [`plans`](super::plans).

use crate::import_rules::{Column, Format, Need};

/// The way from the rows of a kind to the rows of a table.
pub(super) struct Plan {
    pub(super) table: &'static str,
    /// The columns of the natural key, in the table and in `import_rows`.
    pub(super) key: &'static [&'static str],
    /// The text that is compared without regard to capitals, if there is one.
    pub(super) folded: Option<Folding>,
    /// Columns that a row never changes once it is there.
    pub(super) kept: &'static [&'static str],
    /// The way to find a row that is not named by its id.
    pub(super) lookup: Option<Lookup>,
    /// The other rules that the rows must keep: for each, the query that finds the lines of `import_rows`
    /// that break it, with the column to blame and the problem.
    pub(super) checks: &'static [&'static str],
}

/// A text that is compared as it folds, not as it is written.
pub(super) struct Folding {
    /// The column of the file.
    pub(super) source: &'static str,
    /// The column with the folded text: in the temporary tables, and in the table if it stores `source`.
    pub(super) column: &'static str,
}

/// A column of ids that other columns can stand for.
pub(super) struct Lookup {
    /// The column that is filled in.
    pub(super) column: &'static str,
    /// The columns that stand for it.
    pub(super) by: &'static [&'static str],
    /// The table `f` that has it, joined to a line `l`.
    pub(super) from: &'static str,
}

impl Plan {
    /// The columns of the file that the key comes from.
    pub(super) fn key_in_file(&self) -> Vec<&'static str> {
        let folded = self.folded.as_ref();
        let in_file = |column: &&'static str| {
            let folding = folded.filter(|folding| folding.column == *column);
            folding.map_or(*column, |folding| folding.source)
        };
        self.key.iter().map(in_file).collect()
    }

    /// The columns any of which gives a row a value for `column`: its own, and those that stand for it.
    pub(super) fn given_by(&self, column: &'static str) -> Vec<&'static str> {
        let lookup = self.lookup.as_ref();
        let lookup = lookup.filter(|lookup| lookup.column == column);
        let by = lookup.map_or(&[][..], |lookup| lookup.by);
        [&[column], by].concat()
    }
}

/// The condition that two rows agree in all of these columns.
pub(super) fn same(columns: &[&str], one: &str, other: &str) -> String {
    let equal = |column: &&str| format!("{one}.{column} = {other}.{column}");
    let parts: Vec<_> = columns.iter().map(equal).collect();
    parts.join(" and ")
}

/// An array of columns' names.
pub(super) fn names(columns: &[&str]) -> String {
    format!("array['{}']", columns.join("', '"))
}

/// The type of a column in the temporary tables.
pub(super) const fn sql_type(format: Format) -> &'static str {
    match format {
        Format::Id => "uuid",
        Format::Name | Format::Text | Format::Email | Format::OneOf(_) => "text",
        Format::State => "char(2)",
        Format::Money => "numeric(14,2)",
        Format::Percent => "numeric(7,4)",
        Format::DiscountValue => "numeric(14,4)",
        Format::Quantity { .. } | Format::Days { .. } => "integer",
        Format::Flag => "boolean",
        Format::Date => "date",
        Format::Time => "timestamptz",
        Format::Object => "jsonb",
    }
}

/// The value in a new row where a file says nothing.
pub(super) fn default_of(column: &Column) -> String {
    let sql_type = sql_type(column.format);
    match column.need {
        Need::Default(default) => format!("'{default}'::{sql_type}"),
        _ => format!("null::{sql_type}"),
    }
}
