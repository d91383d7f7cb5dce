//! A column of an imported file.

use super::Format;

/// One column: rows are read by this, and the documentation is made of it.
#[derive(Clone, Copy, Debug)]
pub struct Column {
    /// The name in the file, and in the database if the column is stored.
    pub name: &'static str,
    /// The values that a field may have.
    pub format: Format,
    /// The rule for rows without it.
    pub need: Need,
    /// A clause for people.
    pub meaning: &'static str,
}

/// The rule for a row that leaves a column out, or leaves it empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// The row's own id. Without it the row is found by its key, or given an id if it is new.
    GeneratedId,
    /// A new row must have it; never empty.
    RequiredForNew,
    /// A new row must have it, or the columns beside it that name the same thing.
    RequiredOrLookup,
    /// A new row gets this instead, an old one keeps what it has. Empty only if it is text.
    Default(&'static str),
    /// A new row gets null, an old one keeps what it has. Empty is null.
    Nullable,
    /// Empty or left out, it says nothing. It is used to find or compute other columns and not stored itself.
    Optional,
}

impl Column {
    /// Shorthand for the tables of columns.
    pub(super) const fn new(
        name: &'static str,
        format: Format,
        need: Need,
        meaning: &'static str,
    ) -> Self {
        Self {
            name,
            format,
            need,
            meaning,
        }
    }

    /// The optional id that most kinds have.
    pub(super) const fn id(meaning: &'static str) -> Self {
        Self::new("id", Format::Id, Need::GeneratedId, meaning)
    }
}
