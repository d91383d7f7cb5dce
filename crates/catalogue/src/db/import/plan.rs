//! How the rows of a kind become rows of a table: the vocabulary. The plans themselves are `plans`.

use crate::import_rules::{Column, Format, Kind, Need};

use super::plans;

/// How the rows of a kind become rows of a table.
pub(super) struct Plan {
    /// The table.
    pub(super) table: &'static str,
    /// The natural key, as expressions over `$`, which stands for a row.
    pub(super) key: &'static [&'static str],
    /// The column by whose folded text rows are found, if there is one.
    pub(super) folded: Option<Folding>,
    /// Columns that a row never changes once it is there.
    pub(super) kept: &'static [&'static str],
    /// How a row is found that is not named by its id.
    pub(super) lookup: Option<Lookup>,
    /// What else must be true of a row.
    pub(super) checks: &'static [Check],
}

/// A text that is compared as it folds, not as it is written.
pub(super) struct Folding {
    /// The column of the file.
    pub(super) of: &'static str,
    /// The column that has it folded: in the temporary tables, and in the table if it has `of`.
    pub(super) column: &'static str,
}

/// A column of ids that other columns can stand for.
pub(super) struct Lookup {
    /// The column that is filled in.
    pub(super) column: &'static str,
    /// The columns that stand for it.
    pub(super) by: &'static [&'static str],
    /// Where it is looked up, as `f`, for a row `l`.
    pub(super) from: &'static str,
}

/// What must be true of a row. `r` is the row of `import_rows`.
pub(super) struct Check {
    /// The column that is to blame.
    pub(super) column: &'static str,
    /// True of a row that breaks it.
    pub(super) broken: &'static str,
    /// What is said then, as an SQL expression.
    pub(super) problem: &'static str,
}

/// Puts a row's name into an expression over `$`.
pub(super) fn over(expression: &str, row: &str) -> String {
    expression.replace('$', row)
}

/// A condition that two rows have the same key.
pub(super) fn same_key(key: &[&str], one: &str, other: &str) -> String {
    let parts: Vec<_> = key
        .iter()
        .map(|part| format!("{} = {}", over(part, one), over(part, other)))
        .collect();
    parts.join(" and ")
}

/// The columns that are stored under their own name, the id aside.
pub(super) fn stored(kind: Kind) -> impl Iterator<Item = &'static str> {
    let columns = kind.spec().columns.iter();
    let stored = columns
        .filter(|column| !matches!(column.need, Need::Made | Need::Optional))
        .map(|column| column.name);
    let folded = plans::of(kind).folded.as_ref();
    let is_stored = |folding: &&Folding| {
        kind.spec().columns.iter().any(|column| {
            column.name == folding.of && !matches!(column.need, Need::Made | Need::Optional)
        })
    };
    stored.chain(folded.filter(is_stored).map(|folding| folding.column))
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
        Format::Quantity { .. } => "integer",
        Format::Flag => "boolean",
        Format::Date => "date",
        Format::Time => "timestamptz",
        Format::Object => "jsonb",
    }
}

/// What a new row gets where a file says nothing.
pub(super) fn default_of(column: &Column) -> String {
    let sql_type = sql_type(column.format);
    match column.need {
        Need::Default(default) => format!("'{default}'::{sql_type}"),
        _ => format!("null::{sql_type}"),
    }
}
